import type { Answer } from './api/bodies'

/** The server's permission table as it describes it; the server decides, the client only spares useless doors. */
export type Permission = Answer<'/api/session', 'get'>['permissions'][number]

export type Role = Answer<'/api/session', 'get'>['roles'][number]

/** Every role, in the order people meet them. */
export const ROLES = [
  'radiologist',
  'technologist',
  'front_desk',
  'referrer',
  'biller',
  'manager',
  'admin',
] as const satisfies readonly Role[]

export const ROLE_LABEL: Record<Role, string> = {
  radiologist: 'Radiologist',
  technologist: 'Technologist',
  front_desk: 'Front desk',
  referrer: 'Referrer',
  biller: 'Biller',
  manager: 'Manager',
  admin: 'Administrator',
}
