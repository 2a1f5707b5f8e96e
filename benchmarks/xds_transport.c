/* How a client reaches the server: unix:PATH, tcp:PORT or tls:PORT, the ports on 127.0.0.1.
 *
 * TLS is there when compiled with -DTLS and OpenSSL. Its handshake goes on whenever a connection is read or written.
 */

#define _GNU_SOURCE
#include "xds_connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FROM_ONE_ADDRESS = 5000 }; /* clients: a port is not free at once after its connection has been closed */

static struct sockaddr_un path = {.sun_family = AF_UNIX};
static struct sockaddr_in place = {.sin_family = AF_INET};

#ifdef TLS
#include <openssl/ssl.h>

static SSL_CTX *context;

static void set_up_tls(void) {
    if (!(context = SSL_CTX_new(TLS_client_method()))) die("OpenSSL");
    SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
    SSL_CTX_set_alpn_protos(context, (const uint8_t *)"\2h2", 3);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                              SSL_MODE_RELEASE_BUFFERS);
}

static void begin_tls(struct client *c) {
    if (!(c->tls = SSL_new(context)) || !SSL_set_fd(c->tls, c->fd)) die("OpenSSL");
    SSL_set_connect_state(c->tls);
    if (c->mute && SSL_do_handshake(c->tls) != 1) die("the TLS handshake"); /* while it still reads */
}

/* The result of a call as that of recv or send; what has to be read first is no reason to wait for room. */
static ssize_t result(struct client *c, int done) {
    if (done > 0) return done;
    int error = SSL_get_error(c->tls, done);
    if (error == SSL_ERROR_ZERO_RETURN) return 0;
    c->wants_to_read = error == SSL_ERROR_WANT_READ;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}
#else
static void set_up_tls(void) { fputs("compiled without TLS\n", stderr), exit(2); }
static void begin_tls(struct client *c) { (void)c; }
#endif

static bool tls;

void set_address(const char *address) {
    const char *rest = strchr(address, ':');
    if (!rest++) fputs("an address is unix:PATH, tcp:PORT or tls:PORT\n", stderr), exit(2);
    if (!strncmp(address, "unix", 4)) {
        strncpy(path.sun_path, rest, sizeof path.sun_path - 1);
        return;
    }
    place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    place.sin_port = htons(atoi(rest));
    if ((tls = !strncmp(address, "tls", 3))) set_up_tls();
}

void connect_client(struct client *c) {
    bool unix_socket = path.sun_path[0];
    int on = 1;
    if ((c->fd = socket(unix_socket ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) < 0) die("socket");
    if (unix_socket) {
        if (connect(c->fd, (struct sockaddr *)&path, sizeof path)) die("connect");
    } else {
        struct sockaddr_in from = {.sin_family = AF_INET};
        from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + c->number / FROM_ONE_ADDRESS);
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (bind(c->fd, (struct sockaddr *)&from, sizeof from)) die("bind");
        if (connect(c->fd, (struct sockaddr *)&place, sizeof place)) die("connect");
    }
    if (tls) begin_tls(c);
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
}

void disconnect_client(struct client *c) {
#ifdef TLS
    SSL_free(c->tls);
#endif
    c->tls = NULL;
    close(c->fd);
    c->fd = -1;
}

ssize_t receive(struct client *c, uint8_t *to, size_t room) {
#ifdef TLS
    if (c->tls) return result(c, SSL_read(c->tls, to, room));
#endif
    return recv(c->fd, to, room, 0);
}

ssize_t transmit(struct client *c, const uint8_t *from, size_t size) {
#ifdef TLS
    c->wants_to_read = false;
    if (c->tls) return result(c, SSL_write(c->tls, from, size));
#endif
    return send(c->fd, from, size, MSG_NOSIGNAL);
}
