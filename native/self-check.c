// SPDX-License-Identifier: Apache-2.0
/*
 * The self-check's events for the capture: this program is started, opens a connection to itself and closes it, and
 * ends. Over IPv4, or over IPv6 where that does not work; where neither does, it says why and ends with status 1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Nobody has to end it: far longer than it takes, in case its starter has gone. */
enum { LONGEST_LIFE_S = 30 };

/* An address of either family. */
union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool report_error(const char *loopback, const char *call)
{
    fprintf(stderr, "%s: %s: %s\n", loopback, call, strerror(errno));
    return false;
}

/* Listens at the address on any port, connects there, and, if all goes well, closes all three sockets. */
static bool connect_to_itself(const char *loopback, union address address, socklen_t size)
{
    int family = address.any.sa_family;
    int listener = socket(family, SOCK_STREAM, IPPROTO_TCP);
    if (listener < 0)
        return report_error(loopback, "socket");
    if (bind(listener, &address.any, size) < 0)
        return report_error(loopback, "bind");
    if (listen(listener, 1) < 0)
        return report_error(loopback, "listen");
    if (getsockname(listener, &address.any, &size) < 0)
        return report_error(loopback, "getsockname");
    int client = socket(family, SOCK_STREAM, IPPROTO_TCP);
    if (client < 0)
        return report_error(loopback, "socket");
    if (connect(client, &address.any, size) < 0)
        return report_error(loopback, "connect");
    int server = accept(listener, NULL, NULL);
    if (server < 0)
        return report_error(loopback, "accept");
    close(server);
    close(client);
    close(listener);
    return true;
}

int main(void)
{
    union address v4 = {.v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}};
    union address v6 = {.v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}};
    alarm(LONGEST_LIFE_S);
    bool done =
        connect_to_itself("127.0.0.1", v4, sizeof(v4.v4)) || connect_to_itself("::1", v6, sizeof(v6.v6));
    return done ? 0 : 1;
}
