/* Thousands of xDS clients in one process, cheap enough to leave the machine to the server that is measured.
 *
 *   a response read (xds_connection.c) -> a record of when it came -> its acknowledgement, and what Envoy asks for next
 *
 * Each client has a connection of its own with one aggregated stream, asks for clusters, endpoints, listeners and
 * routes in Envoy's order, and acknowledges everything.
 *
 * usage: xds_clients ADDRESS delta|sotw GROUPS NODE IDS ROUTES
 *   ADDRESS  see xds_transport.c
 *   GROUPS   clients whose numbers are equal modulo this see the same configuration
 *   NODE     a file: what all clients say of themselves, as a serialised Node without its id
 *   IDS      a file: a node id for each client, one a line
 *   ROUTES   names of the route configurations to ask for, with commas
 *
 * Commands come on standard input, one line each, and each is answered on standard output by one line of JSON and as
 * many records of 16 bytes as it says:
 *   open COUNT MUTE         open further clients; with MUTE 1 they ask for everything and never read
 *   again                   close the clients that read, and open them anew with the versions that they hold
 *   mark                    forget all records
 *   wait TYPE COUNT N MS    until N clients have had COUNT responses of TYPE (0 to 3) since the mark
 */

#define _GNU_SOURCE
#include "xds_connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

struct record {
    uint64_t ns;
    uint32_t client;
    uint16_t type, resources;
};

static struct {
    uint32_t groups;
    struct buffer node, routes, names;  /* names: fields 3 (wanted names) of a request, one for each known cluster */
    uint32_t *name_ends, *slots;        /* where each name ends; hash table of numbers of names, plus one */
    uint64_t *hashes;
    uint32_t name_count, slot_count;
    char **ids;
    uint32_t id_count;
    struct buffer *held;                /* by group and type: fields 5 (versions held) of a delta request */
    uint32_t *held_count;               /* resources of the last response that began one of them */
} mesh;

static struct client **clients;
static uint32_t client_count, reading;
static struct record *records;
static size_t record_count, record_room;
static uint64_t received, marked_cpu_us;
static struct { bool on; enum type type; uint32_t count, done, clients; uint64_t until_ns; } awaited;

static uint64_t cpu_us(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000u + u.ru_utime.tv_usec + u.ru_stime.tv_usec;
}

static void add_node(struct buffer *b, int number, const char *id) {
    size_t size = strlen(id);
    add_varint(b, number << 3 | 2);
    add_varint(b, mesh.node.size + size + (size < 128 ? 2 : 3));
    add_field(b, 1, id, size);
    add(b, mesh.node.at, mesh.node.size);
}

/* A request of either variant: names from..to of the clusters, or the routes; in answer to a nonce if it has a size. */
static void request(struct client *c, enum type type, bool first, uint32_t from, uint32_t to, bool again) {
    static struct buffer m;
    struct reader *r = &c->reader;
    m.size = 0;
    c->asked |= 1 << type;
    if (first) add_node(&m, delta ? 1 : 2, mesh.ids[c->number]);
    add_field(&m, delta ? 2 : 4, URLS[type], strlen(URLS[type]));
    if (r->nonce_size) {
        if (!delta) add_field(&m, 1, r->version, r->version_size);
        add_field(&m, delta ? 6 : 5, r->nonce, r->nonce_size);
    }
    if (type == ENDPOINTS && to > from) {
        uint32_t start = from ? mesh.name_ends[from - 1] : 0;
        add(&m, mesh.names.at + start, mesh.name_ends[to - 1] - start);
    }
    if (type == ROUTES && (!delta || !r->nonce_size)) add(&m, mesh.routes.at, mesh.routes.size);
    if (again && delta) {
        struct buffer *held = &mesh.held[c->number % mesh.groups * TYPES + type];
        add(&m, held->at, held->size);
    }
    uint8_t prefix[5] = {0, m.size >> 24, m.size >> 16, m.size >> 8, m.size};
    add(&c->waiting, prefix, 5);
    add(&c->waiting, m.at, m.size);
}

/* What a response leads to */

static uint32_t name_number(const char *name, uint32_t size) {
    uint64_t hash = 14695981039346656037u;
    for (uint32_t i = 0; i < size; i++) hash = (hash ^ (uint8_t)name[i]) * 1099511628211u;
    uint32_t slot = hash & (mesh.slot_count - 1);
    for (; mesh.slots[slot]; slot = (slot + 1) & (mesh.slot_count - 1))
        if (mesh.hashes[mesh.slots[slot] - 1] == hash) return mesh.slots[slot] - 1;
    if (mesh.name_count * 2 > mesh.slot_count) fputs("too many clusters\n", stderr), exit(1);
    mesh.hashes[mesh.name_count] = hash;
    add_field(&mesh.names, 3, name, size);
    mesh.name_ends[mesh.name_count] = mesh.names.size;
    mesh.slots[slot] = mesh.name_count + 1;
    return mesh.name_count++;
}

void took_name(struct client *c) {
    struct reader *r = &c->reader;
    if (r->text_size > 9 && !memcmp(r->text, "outbound|", 9)) {
        uint32_t number = name_number(r->text, r->text_size);
        if (number >= c->newest) c->newest = number + 1;
    }
    if (delta && c->number < mesh.groups) { /* map entry {1: name, 2: version} */
        add_varint(&c->held, 5 << 3 | 2);
        add_varint(&c->held, 2 + r->text_size + (r->text_size > 127) + 2 + r->version_size);
        add_field(&c->held, 1, r->text, r->text_size);
        add_field(&c->held, 2, r->version, r->version_size);
    }
}

void responded(struct client *c, uint64_t at) {
    struct reader *r = &c->reader;
    if (record_count == record_room) {
        record_room = record_room ? record_room * 2 : 65536;
        if (!(records = realloc(records, record_room * sizeof *records))) die("realloc");
    }
    records[record_count++] = (struct record){at, c->number, r->type, r->resources};
    if (++c->had[r->type] == awaited.count && awaited.on && r->type == awaited.type) awaited.done++;
    if (c->held.size) {
        uint32_t which = c->number * TYPES + r->type;
        if (r->resources >= mesh.held_count[which]) { /* everything anew */
            mesh.held[which].size = 0;
            mesh.held_count[which] = r->resources;
        }
        add(&mesh.held[which], c->held.at, c->held.size);
        drop(&c->held, c->held.size);
    }
    request(c, r->type, false, 0, delta ? 0 : c->subscribed, false);
    r->nonce_size = 0;
    if (r->type == CLUSTERS && c->newest > c->subscribed) {
        request(c, ENDPOINTS, false, delta ? c->subscribed : 0, c->newest, false);
        c->subscribed = c->newest;
    }
    if (r->type >= ENDPOINTS && r->type < ROUTES && !(c->asked & 1 << (r->type + 1)))
        request(c, r->type + 1, false, 0, 0, false);
    flush(c);
}

/* Clients */

static void greet(struct client *c, bool again) {
    static const char SERVICE[] = "/envoy.service.discovery.v3.AggregatedDiscoveryService/";
    static const uint8_t wide_settings[] = {0, 4, 0x7f, 0xff, 0xff, 0xff}, wide[] = {0x7f, 0xfe, 0, 0};
    const char *method = delta ? "DeltaAggregatedResources" : "StreamAggregatedResources";
    uint8_t headers[256]; /* POST, http, :path, :authority x, content-type, te */
    int n = sprintf((char *)headers, "\x83\x86\x04%c%s%s\x01\x01x\x0f\x10\x10" "application/grpc",
                    (int)(strlen(SERVICE) + strlen(method)), SERVICE, method);
    memcpy(headers + n, "\0\x02te\x08trailers", 13), n += 13;
    add(&c->out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    add_frame(&c->out, SETTINGS, 0, 0, wide_settings, sizeof wide_settings);
    add_frame(&c->out, WINDOW_UPDATE, 0, 0, wide, sizeof wide);
    add_frame(&c->out, HEADERS, END_HEADERS, 1, headers, n);
    bool all = c->mute || again;
    if (all) c->subscribed = c->newest = mesh.name_count;
    for (enum type t = 0; t < (all ? TYPES : 1); t++) request(c, t, t == 0, 0, c->subscribed, again);
}

static void open_client(struct client *c, bool again) {
    struct client fresh = {.number = c->number, .mute = c->mute, .connection_window = 65535, .stream_window = 65535,
                           .initial_window = 65535};
    free(c->waiting.at), free(c->out.at), free(c->held.at);
    *c = fresh;
    connect_client(c);
    struct epoll_event e = {c->mute ? 0 : EPOLLIN, {.ptr = c}};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, c->fd, &e)) die("epoll_ctl");
    greet(c, again);
    flush(c);
}

/* Commands */

static void reply(bool timed_out) {
    awaited.on = false;
    printf("{\"reading\": %u, \"ended\": %u, \"bytes\": %lu, \"cpu_us\": %lu, \"timed_out\": %s, \"records\": %zu}\n",
           reading, ended, received, cpu_us() - marked_cpu_us, timed_out ? "true" : "false", record_count);
    fwrite(records, sizeof *records, record_count, stdout);
    fflush(stdout);
}

static void open_more(uint32_t count, bool mute) {
    if (client_count + count > mesh.id_count) fputs("more clients than ids\n", stderr), exit(1);
    if (!(clients = realloc(clients, (client_count + count) * sizeof *clients))) die("realloc");
    for (uint32_t i = 0; i < count; i++) {
        struct client *c = clients[client_count] = calloc(1, sizeof *c);
        c->number = client_count++, c->mute = mute;
        open_client(c, false);
        reading += !mute;
    }
}

static void mark(void) {
    record_count = received = 0;
    for (uint32_t i = 0; i < client_count; i++) memset(clients[i]->had, 0, sizeof clients[i]->had);
    marked_cpu_us = cpu_us();
}

static void wait_for(enum type type, uint32_t count, uint32_t wanted, uint32_t ms) {
    awaited.on = true, awaited.type = type, awaited.count = count, awaited.clients = wanted, awaited.done = 0;
    awaited.until_ns = now_ns() + ms * 1000000ull;
    for (uint32_t i = 0; i < client_count; i++)
        awaited.done += !clients[i]->mute && clients[i]->fd >= 0 && clients[i]->had[type] >= count;
}

static void command(const char *line) {
    uint32_t a = 0, b = 0, c = 0, d = 0;
    if (sscanf(line, "wait %u %u %u %u", &a, &b, &c, &d) == 4) return wait_for(a, b, c, d);
    if (sscanf(line, "open %u %u", &a, &b) == 2) open_more(a, b);
    else if (!strcmp(line, "mark\n")) mark();
    else if (!strcmp(line, "again\n")) {
        for (uint32_t i = 0; i < client_count; i++)
            if (!clients[i]->mute && clients[i]->fd >= 0) disconnect_client(clients[i]);
        for (uint32_t i = 0; i < client_count; i++)
            if (!clients[i]->mute) open_client(clients[i], true);
    } else fprintf(stderr, "what is %s", line), exit(1);
    reply(false);
}

static void read_file(const char *path, struct buffer *to) {
    uint8_t bytes[65536];
    FILE *f = fopen(path, "rb");
    if (!f) die(path);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, f)) > 0;) add(to, bytes, n);
    fclose(f);
}

static void set_up(char **args) {
    struct buffer ids = {0};
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    set_address(args[1]);
    delta = !strcmp(args[2], "delta"), mesh.groups = atoi(args[3]);
    read_file(args[4], &mesh.node);
    read_file(args[5], &ids);
    add(&ids, "", 1);
    for (char *id = strtok((char *)ids.at, "\n"); id; id = strtok(NULL, "\n")) {
        mesh.ids = realloc(mesh.ids, (mesh.id_count + 1) * sizeof *mesh.ids);
        mesh.ids[mesh.id_count++] = id;
    }
    for (char *name = strtok(args[6], ","); name; name = strtok(NULL, ","))
        add_field(&mesh.routes, 3, name, strlen(name));
    mesh.slot_count = 1 << 18;
    mesh.slots = calloc(mesh.slot_count, sizeof *mesh.slots);
    mesh.hashes = calloc(mesh.slot_count, sizeof *mesh.hashes);
    mesh.name_ends = calloc(mesh.slot_count, sizeof *mesh.name_ends);
    mesh.held = calloc(mesh.groups * TYPES, sizeof *mesh.held);
    mesh.held_count = calloc(mesh.groups * TYPES, sizeof *mesh.held_count);
}

int main(int count, char **args) {
    struct epoll_event found[256], commands = {EPOLLIN, {.ptr = NULL}};
    char line[100];
    if (count != 7) fputs("six arguments are needed: see the top of the source\n", stderr), exit(2);
    set_up(args);
    poller = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(poller, EPOLL_CTL_ADD, 0, &commands);
    for (;;) {
        int n = epoll_wait(poller, found, 256, awaited.on ? 20 : -1);
        for (int i = 0; i < n; i++) {
            struct client *c = found[i].data.ptr;
            if (!c) {
                if (!fgets(line, sizeof line, stdin)) return 0;
                command(line);
            } else if (c->fd >= 0) {
                if (found[i].events & EPOLLOUT) write_out(c);
                if (c->fd >= 0 && found[i].events & ~EPOLLOUT) c->mute ? lost(c) : (void)(received += readable(c));
            }
        }
        bool all = awaited.done >= awaited.clients;
        if (awaited.on && (all || now_ns() > awaited.until_ns)) reply(!all);
    }
}
