import type { Answer, Sent } from '@/lib/api'

/** A hanging protocol as the server keeps it; the fields are the Hanging Protocol modules' (PS3.3 C.23) and GLOSSARY.md's. */
export type Protocol = Answer<'/api/hanging-protocols', 'get'>[number]
export type ProtocolIn = Sent<'/api/hanging-protocols', 'post'>
export type Definition = Protocol['hanging_protocol_definition']
export type Stage = Protocol['display_sets'][number]
export type Box = NonNullable<Stage['image_boxes'][number]>
export type Selector = Box['selector']
export type Reformatting = NonNullable<Stage['reformatting']>

/** How much a protocol must say for it to be used: a draft that is tried on is one, too. */
export type Hangable = Pick<Protocol, 'name' | 'display_sets' | 'hanging_protocol_definition'> & { hanging_protocol_pk: number | null }
