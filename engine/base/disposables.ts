/** Something to be given back exactly once. */
export interface Releasable {
  dispose(): void;
}

/** Gives back what was added, last first. A failing member does not keep the others from being given back; the first failure is thrown. */
export class Disposables implements Releasable {
  #members: Releasable[] = [];
  #disposed = false;

  /** Adds a member and returns it; after `dispose` the member is given back at once. */
  add<T extends Releasable>(member: T): T {
    if (this.#disposed) member.dispose();
    else this.#members.push(member);
    return member;
  }

  dispose(): void {
    this.#disposed = true;
    const failures: unknown[] = [];
    for (let member = this.#members.pop(); member !== undefined; member = this.#members.pop()) {
      try {
        member.dispose();
      } catch (failure) {
        failures.push(failure);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
