/** The server's permission table in the client's words; the server decides, the client only spares useless doors. */
export type Permission =
  | 'self'
  | 'patient.read'
  | 'patient.write'
  | 'order.read'
  | 'order.write'
  | 'schedule.read'
  | 'schedule.write'
  | 'step.perform'
  | 'study.read'
  | 'study.store'
  | 'study.reconcile'
  | 'reading_list.read'
  | 'report.read'
  | 'report.write'
  | 'report.sign'
  | 'result.read'
  | 'billing.read'
  | 'billing.write'
  | 'analytics.read'
  | 'queue.read'
  | 'queue.write'
  | 'quarantine.read'
  | 'quarantine.write'
  | 'config.read'
  | 'config.write'
  | 'user.admin'
  | 'audit.read'

export const ROLES = [
  'radiologist',
  'technologist',
  'front_desk',
  'referrer',
  'biller',
  'manager',
  'admin',
] as const

export type Role = (typeof ROLES)[number]

export const ROLE_LABEL: Record<Role, string> = {
  radiologist: 'Radiologist',
  technologist: 'Technologist',
  front_desk: 'Front desk',
  referrer: 'Referrer',
  biller: 'Biller',
  manager: 'Manager',
  admin: 'Administrator',
}
