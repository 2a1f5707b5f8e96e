/* Bytes to responses, and requests to bytes:
 *
 *   connection (HTTP/2 frames) -> stream (gRPC messages) -> response (protobuf fields), each as its bytes come
 *
 * Nothing is put together: of a response only names, versions and the nonce are kept, while its bodies are skipped.
 */

#define _GNU_SOURCE
#include "xds_connection.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

enum { FRAME_HEAD_SIZE = sizeof((struct client *)0)->head, MOST_PAYLOAD = 16384 };

const char *const URLS[TYPES] = {
    "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "type.googleapis.com/envoy.config.listener.v3.Listener",
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
};
bool delta;
int poller;
uint32_t ended;

void die(const char *what) {
    perror(what);
    exit(1);
}

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + t.tv_nsec;
}

/* Buffers and protobuf fields */

void add(struct buffer *b, const void *data, size_t size) {
    if (b->size + size > b->room) {
        b->room = (b->size + size) * 3 / 2;
        if (!(b->at = realloc(b->at, b->room))) die("realloc");
    }
    memcpy(b->at + b->size, data, size);
    b->size += size;
}

void drop(struct buffer *b, size_t size) {
    b->size -= size;
    if (b->size) memmove(b->at, b->at + size, b->size);
    else if (b->room > 4096) free(b->at), *b = (struct buffer){0};
}

void add_varint(struct buffer *b, uint64_t value) {
    uint8_t bytes[10];
    int n = 0;
    for (; value > 127; value >>= 7) bytes[n++] = value | 128;
    bytes[n++] = value;
    add(b, bytes, n);
}

void add_field(struct buffer *b, int number, const void *data, size_t size) {
    add_varint(b, number << 3 | 2);
    add_varint(b, size);
    add(b, data, size);
}

void add_frame(struct buffer *b, enum frame type, int flags, int stream, const void *data, uint32_t size) {
    uint8_t head[FRAME_HEAD_SIZE] = {size >> 16, size >> 8, size, type, flags, 0, 0, 0, stream};
    add(b, head, sizeof head);
    add(b, data, size);
}

/* Sending */

void lost(struct client *c) {
    if (c->fd < 0) return;
    disconnect_client(c);
    ended++;
}

void write_out(struct client *c) {
    size_t done = 0;
    while (done < c->out.size) {
        ssize_t n = transmit(c, c->out.at + done, c->out.size - done);
        if (n < 0 && errno != EAGAIN) return lost(c);
        if (n < 0) break;
        done += n;
    }
    drop(&c->out, done);
    bool wants_room = c->out.size > 0 && !c->wants_to_read;
    if (wants_room != c->watched_for_room) {
        struct epoll_event e = {(wants_room ? EPOLLOUT : 0) | (c->mute ? 0 : EPOLLIN), {.ptr = c}};
        epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &e);
        c->watched_for_room = wants_room;
    }
}

void flush(struct client *c) {
    size_t done = 0;
    while (done < c->waiting.size && c->connection_window > 0 && c->stream_window > 0) {
        int64_t size = c->waiting.size - done;
        if (size > MOST_PAYLOAD) size = MOST_PAYLOAD;
        if (size > c->connection_window) size = c->connection_window;
        if (size > c->stream_window) size = c->stream_window;
        add_frame(&c->out, DATA, 0, 1, c->waiting.at + done, size);
        done += size, c->connection_window -= size, c->stream_window -= size;
    }
    if (done) drop(&c->waiting, done);
    if (c->out.size && c->fd >= 0) write_out(c);
}

/* Reading: a response, field by field; a body of DATA frames, message by message; a connection, frame by frame */

static void take_text(struct reader *r, char *to, uint32_t room, uint32_t *size) {
    *size = r->text_size < room ? r->text_size : room;
    memcpy(to, r->text, *size);
}

static void field_read(struct client *c) {
    struct reader *r = &c->reader;
    bool taken = r->state == TAKE;
    r->state = TAG;
    if (taken && r->level == 0) {
        if (r->field == 1) take_text(r, r->version, sizeof r->version, &r->version_size);
        if (r->field == 5) take_text(r, r->nonce, sizeof r->nonce, &r->nonce_size);
        for (enum type t = 0; r->field == 4 && t < TYPES; t++)
            if (strlen(URLS[t]) == r->text_size && !memcmp(URLS[t], r->text, r->text_size)) r->type = t;
    } else if (taken && r->level == 1 && r->field == 1) {
        take_text(r, r->version, sizeof r->version, &r->version_size);
    } else if (taken) {
        took_name(c);
        if (r->level == 2 && r->at < r->end[2]) r->state = SKIP, r->payload = r->end[2] - r->at;
    }
    while (r->state == TAG && r->level && r->at == r->end[r->level]) r->level--;
}

static void number_read(struct client *c) {
    struct reader *r = &c->reader;
    if (r->state == TAG) {
        if ((r->number & 7) != 2) fputs("a field that is no text and no message\n", stderr), exit(1);
        r->field = r->number >> 3;
        r->state = LENGTH;
        return;
    }
    r->payload = r->number;
    bool opens = r->field == 2 && (r->level == 0 || (r->level == 1 && !delta));
    bool text = r->level == 0 ? r->field != 6 : r->level == 2 || (delta && r->field != 2);
    if (opens) {
        r->resources += r->level == 0;
        r->end[++r->level] = r->at + r->payload;
        r->state = TAG;
    } else {
        r->state = text ? TAKE : SKIP;
        r->text_size = 0;
    }
    if (!r->payload) r->state = r->state == TAG ? SKIP : r->state, field_read(c);
}

static void read_fields(struct client *c, const uint8_t *at, uint32_t size) {
    struct reader *r = &c->reader;
    while (size) {
        if (r->state == SKIP || r->state == TAKE) {
            uint32_t n = r->payload < size ? r->payload : size;
            if (r->state == TAKE)
                for (uint32_t i = 0; i < n && r->text_size < sizeof r->text; i++) r->text[r->text_size++] = at[i];
            at += n, size -= n, r->at += n, r->payload -= n;
            if (!r->payload) field_read(c);
        } else {
            uint8_t byte = *at++;
            size--, r->at++;
            r->number |= (uint64_t)(byte & 127) << r->shift;
            r->shift += 7;
            if (!(byte & 128)) number_read(c), r->number = r->shift = 0;
        }
    }
}

static void read_body(struct client *c, const uint8_t *at, uint32_t size, uint64_t when) {
    while (size) {
        if (c->prefix_size < 5) {
            c->prefix[c->prefix_size++] = *at++, size--;
            if (c->prefix_size < 5) continue;
            c->message_left = (uint32_t)c->prefix[1] << 24 | c->prefix[2] << 16 | c->prefix[3] << 8 | c->prefix[4];
            c->reader = (struct reader){.end = {c->message_left}};
        }
        uint32_t n = c->message_left < size ? c->message_left : size;
        read_fields(c, at, n);
        at += n, size -= n, c->message_left -= n;
        if (!c->message_left) c->prefix_size = 0, responded(c, when);
    }
}

static void frame_read(struct client *c) {
    enum frame type = c->head[3];
    uint8_t flags = c->head[4], *p = c->small;
    c->head_size = 0;
    if (type == GOAWAY || type == RESET || (type <= HEADERS && flags & END_STREAM)) return lost(c);
    if (type == SETTINGS && !(flags & ACK)) {
        for (uint32_t i = 0; i + 6 <= c->small_size; i += 6)
            if (p[i] == 0 && p[i + 1] == 4) { /* INITIAL_WINDOW_SIZE */
                int64_t size = (int64_t)p[i + 2] << 24 | p[i + 3] << 16 | p[i + 4] << 8 | p[i + 5];
                c->stream_window += size - c->initial_window, c->initial_window = size;
            }
        add_frame(&c->out, SETTINGS, ACK, 0, p, 0);
    }
    if (type == PING && !(flags & ACK)) add_frame(&c->out, PING, ACK, 0, p, 8);
    if (type == WINDOW_UPDATE) {
        uint32_t size = (uint32_t)p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
        *(c->head[8] ? &c->stream_window : &c->connection_window) += size;
    }
    flush(c);
}

static void read_frames(struct client *c, const uint8_t *at, uint32_t size, uint64_t when) {
    while (size && c->fd >= 0) {
        if (c->head_size < FRAME_HEAD_SIZE) {
            c->head[c->head_size++] = *at++, size--;
            if (c->head_size < FRAME_HEAD_SIZE) continue;
            c->frame_left = c->head[0] << 16 | c->head[1] << 8 | c->head[2];
            c->small_size = 0;
        }
        uint32_t n = c->frame_left < size ? c->frame_left : size;
        if (c->head[3] == DATA) read_body(c, at, n, when);
        else
            for (uint32_t i = 0; i < n && c->small_size < sizeof c->small; i++) c->small[c->small_size++] = at[i];
        at += n, size -= n, c->frame_left -= n;
        if (!c->frame_left && c->fd >= 0) frame_read(c);
    }
}

uint32_t readable(struct client *c) {
    static uint8_t bytes[1 << 18];
    uint32_t size = 0;
    do { /* TLS gives one record at a time */
        ssize_t n = receive(c, bytes, sizeof bytes);
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) return lost(c), size;
        read_frames(c, bytes, n, now_ns());
        size += n;
    } while (c->tls && size < sizeof bytes);
    if (c->out.size && c->fd >= 0) write_out(c); /* what waited for the handshake */
    return size;
}
