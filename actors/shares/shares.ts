import { fairLevel } from './level.js';

/** Part of the room left to owners once some of them have to give way. */
const KEPT = 15 / 16;

interface Party<Member> {
  readonly owner: number;
  units: number;
  /** The oldest first, with their units. */
  readonly members: Map<Member, number>;
}

/**
 * The members of something bounded by their owners, to find the member to give up when it is over its bound: the
 * oldest of an owner with more than the max-min fair share. An owner within its share loses nothing ("longest queue
 * drop": B. Suter et al., "Design considerations for supporting TCP with per-flow queueing", INFOCOM 1998). The owners
 * over their shares are looked up for many members at once, so that each costs little however many owners there are.
 */
export class Shares<Member> {
  /** Units of all members. */
  used = 0;
  readonly #room: number;
  readonly #parties = new Map<number, Party<Member>>();
  /** Owners found over `#level` at the latest look, the largest last. */
  #over: Party<Member>[] = [];
  #level = 0;

  /** @param room units of all members together; more are over the bound */
  constructor(room: number) {
    this.#room = room;
  }

  /** Units of one owner's members. */
  of(owner: number): number {
    return this.#parties.get(owner)?.units ?? 0;
  }

  /** Adds a new member, the youngest. */
  add(owner: number, member: Member, units: number): void {
    let party = this.#parties.get(owner);
    if (party === undefined) this.#parties.set(owner, (party = { owner, units: 0, members: new Map() }));
    party.members.set(member, units);
    party.units += units;
    this.used += units;
  }

  /** Removes a member, if it is there. */
  remove(owner: number, member: Member): void {
    const party = this.#parties.get(owner);
    const units = party?.members.get(member);
    if (party === undefined || units === undefined) return;
    party.members.delete(member);
    party.units -= units;
    this.used -= units;
    if (party.members.size === 0) this.#parties.delete(owner);
  }

  /** The member to give up, with its owner; undefined while all is within the bound. The caller removes it. */
  excess(): { readonly owner: number; readonly member: Member } | undefined {
    if (this.used <= this.#room) return undefined;
    const party = this.#nextOver() ?? this.#look();
    return { owner: party.owner, member: party.members.keys().next().value! };
  }

  /** One of the owners found over their shares, and still over. */
  #nextOver(): Party<Member> | undefined {
    for (let party; (party = this.#over.at(-1)) !== undefined; this.#over.pop())
      if (this.#isOver(party)) return party;
    return undefined;
  }

  /** The level may be from an earlier look, with more owners: nobody loses members within an equal share of today. */
  #isOver({ units, members }: Party<Member>): boolean {
    const equal = Math.floor((this.#room * KEPT) / this.#parties.size);
    return units > Math.max(this.#level, equal) && members.size > 0;
  }

  /** Looks anew. More is used than there is room for, so some owner is over its fair share. */
  #look(): Party<Member> {
    const parties = [...this.#parties.values()];
    this.#level = fairLevel(
      parties.map(({ units }) => units),
      this.#room * KEPT,
    );
    this.#over = parties.filter((party) => this.#isOver(party)).sort((a, b) => a.units - b.units);
    return this.#nextOver()!;
  }
}
