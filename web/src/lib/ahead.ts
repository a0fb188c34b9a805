/** What pages of an address will ask for: begun while the program that shows them still comes. */
export interface Ahead {
  path: RegExp
  /** Given the groups of `path`. What it rejects with is told again to whoever needs what failed. */
  begin: (groups: readonly string[]) => Promise<unknown>
  /** The same where the program is here, and somebody goes there in it: what its screens keep they ask for by themselves. */
  enter?: (groups: readonly string[]) => Promise<unknown>
}
