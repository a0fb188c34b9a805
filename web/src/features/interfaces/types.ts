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
