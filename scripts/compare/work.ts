/** Kinds of work, by the messages about it. */
export const works = ['execs', 'endpoints', 'connections'] as const;
export type Work = (typeof works)[number];
/** Messages of each kind; a connection has two ends in a container, and each is one. */
export type WorkCounts = Readonly<Record<Work, number>>;
