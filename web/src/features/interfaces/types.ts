import type { Answer, Sent } from '@/lib/api'

export type Message = Answer<'/api/interfaces/messages', 'get'>['items'][number]
export type MessageContent = Answer<'/api/interfaces/messages/{interface_message_pk}', 'get'>
export type MessageSegment = MessageContent['segments'][number]
export type Counts = Answer<'/api/interfaces/messages/counts', 'get'>
export type Receiver = Answer<'/api/interfaces/receivers', 'get'>['items'][number]
export type ReceiverFields = Sent<'/api/interfaces/receivers', 'post'>

/** The state as the state table has it: a queued message that failed before is being tried again. */
export function stateOf(message: Message): string {
  if (message.state === 'applied') return 'processed'
  if (message.state === 'queued' && message.attempts > 0) return 'retrying'
  return message.state
}

export const needsAPerson = (message: Message) => ['failed', 'rejected', 'dead'].includes(message.state)

const TYPES: Record<string, string> = {
  'ORM^O01': 'Order',
  'OMI^O23': 'Imaging order',
  'ADT^A01': 'Admission',
  'ADT^A04': 'Registration',
  'ADT^A05': 'Pre-admission',
  'ADT^A08': 'Patient update',
  'ADT^A28': 'New person',
  'ADT^A31': 'Person update',
  'ADT^A40': 'Patient merge',
  'ORU^R01': 'Result',
}

/** `ORM^O01` with what it is about. */
export function typeText(type: string): string {
  if (!type) return 'Not readable'
  return TYPES[type] ? `${TYPES[type]} (${type})` : type
}

/** `PID^1^3` → `PID-3`. */
export function placeText(place: string | null): string {
  const [segment, , field, , component] = (place ?? '').split('^')
  if (!segment) return ''
  return field ? `${segment}-${field}${component ? `.${component}` : ''}` : segment
}

// What helps, by where the fault lies; the first that fits is shown.
const ADVICE: readonly (readonly [fits: RegExp, words: string])[] = [
  [/^OBR\^\d+\^4/, 'Add the procedure to the catalogue, then apply the message again; or have the sender correct the code.'],
  [/^OBR\^\d+\^15/, 'The procedure needs a side. The sender gives it in OBR-15.5 (LT or RT); or place the order by hand and skip this.'],
  [/^(ORC\^\d+\^7|OBR\^\d+\^(5|27)|TQ1)/, 'Call the sender and ask how urgent it is, place the order by hand if it cannot wait, then skip this.'],
  [/^PID\^1\^3/, 'Find out whose number it is before anything is shown under it; then correct the record or have the sender correct the message.'],
  [/^PID/, 'Register or correct the patient here, then apply the message again; or have the sender correct it.'],
  [/^ORC\^\d+\^1$/, 'Tell the sender what was refused; what is under way is stopped by people here.'],
  [/^ORC\^\d+\^2/, 'The order is not known here under this number. If it comes later, apply this again.'],
  [/^MSH\^1\^10/, 'Another message had this number. Compare the two; apply this one if it is right, else skip it.'],
  [/^MSH/, 'The sender has to change how it writes or what it sends; then skip this.'],
]

/** What a person can do about a message that failed; undefined where nothing has to be done. */
export function adviceFor(message: Message): string | undefined {
  if (message.state === 'dead') {
    return 'The receiver refuses it. Correct what it complains of there, then send it again.'
  }
  if (!needsAPerson(message)) return undefined
  const place = message.error_location ?? ''
  return ADVICE.find(([fits]) => fits.test(place))?.[1] ?? 'Correct what it names, then apply it again; or skip it with a reason.'
}
