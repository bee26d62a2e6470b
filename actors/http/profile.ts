import { profileStates, type Profile } from '../profiles/profile.js';
import { json, type HttpResponse, type Route } from './route.js';

const kinds = ['cpu', 'heap'] as const;
type ProfileKind = (typeof kinds)[number];

/** Turns profiles of this process on and off, and serves their results. */
export function profileRoutes(profiles: Readonly<Record<ProfileKind, Profile>>): Route[] {
  const stateResponse = (): HttpResponse => {
    const supported = process.features.inspector;
    return json(200, {
      supports_cpu: supported,
      supports_heap: supported,
      cpu: profiles.cpu.state,
      heap: profiles.heap.state,
    });
  };
  return [
    { method: 'GET', path: '/profile', handle: stateResponse },
    ...kinds.flatMap((kind): Route[] => [
      {
        method: 'GET',
        path: `/profile/${kind}`,
        handle: () => ({ status: 200, type: 'application/octet-stream', body: profiles[kind].result }),
      },
      {
        method: 'POST',
        path: `/profile/${kind}`,
        handle: async ({ body }) => {
          const wanted = profileStates.find((state) => state === body.trim());
          if (wanted === undefined) {
            const allowed = profileStates.join(', ');
            return json(400, { error: `'${body.trim()}' is no state of a profile (allowed: ${allowed})` });
          }
          try {
            await profiles[kind].set(wanted);
          } catch (error) {
            const reason = error instanceof Error ? error.message : String(error);
            return json(500, { error: `The ${kind} profile cannot be set ${wanted}: ${reason}` });
          }
          return stateResponse();
        },
      },
    ]),
  ];
}
