import type { Answer, Sent } from '@/lib/api'

export type User = Answer<'/api/users', 'get'>['items'][number]
export type Invited = Answer<'/api/users', 'post'>
export type Token = Answer<'/api/users/{user_pk}/tokens', 'get'>[number]
export type Practitioner = Answer<'/api/practitioners', 'get'>[number]
export type Site = Answer<'/api/sites', 'get'>[number]
export type SiteFields = Sent<'/api/sites', 'post'>
export type AuditRecord = Answer<'/api/audit', 'get'>['items'][number]
export type Job = Answer<'/api/jobs', 'get'>['items'][number]

/** The account's state in one word of the state table. */
export function stateOfUser(user: User): string {
  if (user.disabled) return 'disabled'
  return user.has_password ? 'active' : 'invited'
}
export type Storage = Answer<'/api/archive/storage', 'get'>
export type Associations = Answer<'/api/archive/associations', 'get'>
export type Counts = Answer<'/api/interfaces/messages/counts', 'get'>
export type Forwardings = Answer<'/api/routing/forwardings', 'get'>
export type Integrity = Answer<'/api/archive/integrity', 'get'>
