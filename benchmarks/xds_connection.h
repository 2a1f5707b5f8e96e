/* A client's connection: what it holds, and what goes in and out of it. See xds_clients.c. */

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum type { CLUSTERS, ENDPOINTS, LISTENERS, ROUTES, TYPES };

extern const char *const URLS[TYPES];

enum frame { DATA, HEADERS, RESET = 3, SETTINGS, PING = 6, GOAWAY, WINDOW_UPDATE };
enum { ACK = 1, END_STREAM = 1, END_HEADERS = 4 };

struct buffer {
    uint8_t *at;
    size_t size, room;
};

/* Where a client is in the response that it reads. Levels: response, resource, and (in SotW) the body in an Any. */
struct reader {
    uint32_t at, end[3], payload;
    uint32_t field, shift, level, resources;
    uint64_t number;
    enum { TAG, LENGTH, SKIP, TAKE } state;
    uint32_t text_size;
    char text[200];
    char version[64], nonce[32];
    uint32_t version_size, nonce_size;
    enum type type;
};

struct client {
    int fd;
    struct ssl_st *tls;
    uint32_t number, subscribed, newest, asked; /* asked: a bit for each type */
    bool mute, watched_for_room, wants_to_read;
    uint8_t head[9], small[64], prefix[5];
    uint32_t head_size, small_size, prefix_size, frame_left, message_left;
    int64_t connection_window, stream_window, initial_window;
    uint32_t had[TYPES];
    struct reader reader;
    struct buffer waiting, out, held; /* messages that wait for window; frames that wait for room; versions to note */
};

extern bool delta;     /* the variant of the protocol */
extern int poller;     /* the epoll instance that connections are in */
extern uint32_t ended; /* connections that were closed by the other side */

void die(const char *what);
uint64_t now_ns(void);

void add(struct buffer *b, const void *data, size_t size);
void drop(struct buffer *b, size_t size);
void add_varint(struct buffer *b, uint64_t value);
void add_field(struct buffer *b, int number, const void *data, size_t size);
void add_frame(struct buffer *b, enum frame type, int flags, int stream, const void *data, uint32_t size);

void set_address(const char *address);
void connect_client(struct client *c);
void disconnect_client(struct client *c);
ssize_t receive(struct client *c, uint8_t *to, size_t room); /* this one and the next: as recv and send */
ssize_t transmit(struct client *c, const uint8_t *from, size_t size);

void lost(struct client *c);
void write_out(struct client *c);
void flush(struct client *c);        /* send what waits, as far as the windows allow */
uint32_t readable(struct client *c); /* read once; how many bytes */

/* What the reader calls: for the name of each resource, and at the end of each response. */
void took_name(struct client *c);
void responded(struct client *c, uint64_t at_ns);
