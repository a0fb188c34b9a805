/** Each state has one word, one shape and one tint, the same on every screen and printout. */
export type Shape =
  | 'ring'
  | 'half'
  | 'target'
  | 'play'
  | 'check'
  | 'minus'
  | 'slash'
  | 'pencil'
  | 'page'
  | 'seal'
  | 'plus'
  | 'alert'
  | 'clock'
  | 'arrow'
  | 'lock'
  | 'question'
  | 'coin'

export type Tint = 'quiet' | 'accent' | 'urgent' | 'danger' | 'safe'

export interface StateLook {
  word: string
  shape: Shape
  tint: Tint
}

const look = (word: string, shape: Shape, tint: Tint): StateLook => ({ word, shape, tint })

/** Which state machine a state belongs to, where the same word means different things. */
export type StateOf =
  | 'order'
  | 'procedure'
  | 'step'
  | 'performed'
  | 'appointment'
  | 'report'
  | 'claim'
  | 'charge'
  | 'queue'
  | 'link'
  | 'object'
  | 'user'
  | 'device'

const COMMON: Record<string, StateLook> = {
  scheduled: look('Scheduled', 'ring', 'quiet'),
  arrived: look('Arrived', 'half', 'accent'),
  ready: look('Ready', 'target', 'accent'),
  started: look('Started', 'play', 'accent'),
  in_progress: look('In progress', 'play', 'accent'),
  departed: look('Departed', 'arrow', 'quiet'),
  completed: look('Completed', 'check', 'safe'),
  discontinued: look('Discontinued', 'minus', 'urgent'),
  canceled: look('Canceled', 'slash', 'quiet'),
  on_hold: look('On hold', 'clock', 'urgent'),
  no_show: look('No-show', 'slash', 'urgent'),
  open: look('Open', 'ring', 'quiet'),
  pending: look('Pending', 'clock', 'quiet'),
  active: look('Active', 'check', 'quiet'),
  failed: look('Failed', 'alert', 'danger'),
  unread: look('Unread', 'ring', 'quiet'),
  reading: look('Being read', 'lock', 'accent'),
  claimed: look('Claimed', 'lock', 'accent'),
  proposed: look('Proposed', 'ring', 'quiet'),
  booked: look('Booked', 'ring', 'accent'),
}

const BY_KIND: Partial<Record<StateOf, Record<string, StateLook>>> = {
  order: {
    // HL7 table 0038 and the words of the order's own state machine
    requested: look('Requested', 'ring', 'quiet'),
    placed: look('Placed', 'ring', 'quiet'),
    new: look('Placed', 'ring', 'quiet'),
    ip: look('In progress', 'play', 'accent'),
    sc: look('Scheduled', 'half', 'accent'),
    cm: look('Completed', 'check', 'safe'),
    ca: look('Canceled', 'slash', 'quiet'),
    dc: look('Discontinued', 'minus', 'urgent'),
    hd: look('On hold', 'clock', 'urgent'),
    er: look('Not found', 'alert', 'danger'),
    a: look('Partly done', 'half', 'accent'),
    rp: look('Replaced', 'arrow', 'quiet'),
  },
  report: {
    none: look('No report', 'ring', 'quiet'),
    draft: look('Draft', 'pencil', 'quiet'),
    preliminary: look('Preliminary', 'page', 'urgent'),
    final: look('Final', 'seal', 'safe'),
    signed: look('Final', 'seal', 'safe'),
    addendum: look('Addendum', 'plus', 'accent'),
    amended: look('Addendum', 'plus', 'accent'),
    corrected: look('Corrected', 'plus', 'accent'),
    withdrawn: look('Withdrawn', 'slash', 'danger'),
    entered_in_error: look('Entered in error', 'slash', 'danger'),
  },
  charge: {
    missing: look('Needs work', 'question', 'urgent'),
    incomplete: look('Needs work', 'question', 'urgent'),
    held: look('Held', 'clock', 'urgent'),
    ready: look('Ready', 'target', 'accent'),
    claimed: look('On a claim', 'arrow', 'accent'),
    billed: look('Billed', 'arrow', 'safe'),
    void: look('Void', 'slash', 'quiet'),
    voided: look('Void', 'slash', 'quiet'),
  },
  claim: {
    draft: look('Draft', 'pencil', 'quiet'),
    incomplete: look('Needs work', 'question', 'urgent'),
    missing: look('Needs work', 'question', 'urgent'),
    ready: look('Ready to send', 'target', 'accent'),
    held: look('Awaiting report', 'clock', 'quiet'),
    batched: look('In a file', 'page', 'accent'),
    generated: look('File made', 'page', 'accent'),
    submitted: look('Sent', 'arrow', 'accent'),
    sent: look('Sent', 'arrow', 'accent'),
    acknowledged: look('Received', 'half', 'accent'),
    accepted: look('Accepted', 'half', 'accent'),
    rejected: look('Rejected', 'alert', 'danger'),
    denied: look('Denied', 'alert', 'danger'),
    paid: look('Paid', 'coin', 'safe'),
    partially_paid: look('Partly paid', 'coin', 'urgent'),
    voided: look('Void', 'slash', 'quiet'),
    void: look('Void', 'slash', 'quiet'),
  },
  queue: {
    queued: look('Queued', 'clock', 'quiet'),
    todo: look('Queued', 'clock', 'quiet'),
    waiting: look('Waiting', 'clock', 'quiet'),
    sending: look('Sending', 'play', 'accent'),
    fetching: look('Fetching', 'play', 'accent'),
    fetched: look('Fetched', 'check', 'safe'),
    working: look('Compressing', 'play', 'accent'),
    done: look('Done', 'check', 'safe'),
    restoring: look('Putting back', 'play', 'accent'),
    restored: look('As received', 'check', 'quiet'),
    doing: look('Running', 'play', 'accent'),
    retrying: look('Retrying', 'clock', 'urgent'),
    received: look('Received', 'half', 'accent'),
    accepted: look('Accepted', 'check', 'safe'),
    processed: look('Processed', 'check', 'safe'),
    sent: look('Sent', 'check', 'safe'),
    delivered: look('Delivered', 'check', 'safe'),
    acknowledged: look('Acknowledged', 'check', 'safe'),
    succeeded: look('Done', 'check', 'safe'),
    rejected: look('Rejected', 'alert', 'danger'),
    error: look('Error', 'alert', 'danger'),
    dead: look('Given up', 'alert', 'danger'),
    aborted: look('Stopped', 'slash', 'quiet'),
    skipped: look('Skipped', 'slash', 'quiet'),
    held: look('Held', 'clock', 'urgent'),
  },
  link: {
    matched: look('Matched', 'check', 'safe'),
    unmatched: look('Unmatched', 'question', 'urgent'),
    resolved: look('Resolved', 'check', 'safe'),
  },
  object: {
    stored: look('Stored', 'check', 'safe'),
    quarantined: look('Quarantined', 'alert', 'danger'),
    released: look('Released', 'check', 'safe'),
    discarded: look('Discarded', 'slash', 'quiet'),
    receiving: look('Receiving', 'play', 'accent'),
    in_trash: look('In the trash', 'clock', 'urgent'),
    hidden: look('Hidden', 'slash', 'quiet'),
    restored: look('Restored', 'check', 'safe'),
    destroyed: look('Destroyed', 'slash', 'danger'),
    held: look('On hold', 'lock', 'urgent'),
    lifted: look('Lifted', 'slash', 'quiet'),
    corrected: look('Corrected', 'pencil', 'accent'),
    taken_back: look('Taken back', 'slash', 'quiet'),
  },
  user: {
    invited: look('Invited', 'clock', 'quiet'),
    disabled: look('Disabled', 'slash', 'quiet'),
    locked: look('Locked', 'lock', 'urgent'),
    expired: look('Expired', 'slash', 'quiet'),
    revoked: look('Revoked', 'slash', 'quiet'),
  },
  device: {
    up: look('Answers', 'check', 'safe'),
    down: look('No answer', 'alert', 'danger'),
    unknown: look('Not yet asked', 'question', 'quiet'),
    idle: look('Idle', 'ring', 'quiet'),
    need_none: look('In order', 'check', 'safe'),
    need_time: look('Works on it', 'clock', 'quiet'),
    need_person: look('Needs a person', 'alert', 'urgent'),
  },
}

/** `IN PROGRESS`, `in-progress`, `InProgress` → `in_progress`; `cancelled` → `canceled` (PS3.4's spelling). */
export function stateKey(state: string): string {
  const key = state
    .trim()
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .replace(/[\s-]+/g, '_')
    .toLowerCase()
  return key === 'cancelled' ? 'canceled' : key
}

export function stateLook(state: string, of?: StateOf): StateLook {
  const key = stateKey(state)
  const found = (of && BY_KIND[of]?.[key]) ?? COMMON[key]
  if (found) return found
  for (const table of Object.values(BY_KIND)) {
    const other = table[key]
    if (other) return other
  }
  const word = key.replaceAll('_', ' ')
  return look(word.charAt(0).toUpperCase() + word.slice(1), 'ring', 'quiet')
}
