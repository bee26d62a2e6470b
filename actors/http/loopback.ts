import { json, type Route } from './route.js';

/** IPv4 loopback addresses as such and as a dual-stack socket has them, and the one of IPv6. */
const LOOPBACK = /^(?:(?:::ffff:)?127\.|::1$)/;

/** The routes for clients on this node, or in this pod, alone. */
export function loopbackOnly(routes: readonly Route[]): Route[] {
  return routes.map((route) => ({
    ...route,
    handle: (request) =>
      LOOPBACK.test(request.peer)
        ? route.handle(request)
        : json(403, {
            error:
              'This is shown to clients on the loopback address only: use kubectl port-forward or a tunnel of SSH, or set ' +
              'ROX_COLLECTOR_INTROSPECTION_ENABLE=true.',
          }),
  }));
}
