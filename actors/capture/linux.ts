/** Numbers of Linux's interfaces used in records, as in `native/bpf/kernel.h`. */
export const AF_INET = 2;
export const AF_INET6 = 10;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
/** Of `enum` TCP_* in the kernel's `net/tcp_states.h`. */
export const TCP_ESTABLISHED = 1;
export const TCP_SYN_SENT = 2;
/** Of a UDP socket: without a peer. */
export const TCP_CLOSE = 7;
export const TCP_LISTEN = 10;
