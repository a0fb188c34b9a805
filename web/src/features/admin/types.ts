import type { Role } from '@/lib/permissions'

export interface User {
  user_pk: number
  username: string
  display_name: string
  roles: Role[]
  practitioner_pk: number | null
  site_pks: number[] | null
  has_password: boolean
  has_totp: boolean
  mfa_required: boolean
  disabled: boolean
  created_at: string
}

export interface Invited {
  user: User
  invitation_path: string
}

export interface Token {
  api_token_pk: number
  user_pk: number
  label: string
  scopes: string[]
  created_at: string
  expires_at: string | null
  revoked_at: string | null
  last_used_at: string | null
  token: string | null
}

export interface Practitioner {
  practitioner_pk: number
  person_name: string
  npi: string | null
  taxonomy_code: string | null
  phone: string | null
  email: string | null
}

export interface Site {
  site_pk: number
  code: string
  institution_name: string
  time_zone: string
  address_line: string | null
  city: string | null
  state: string | null
  postal_code: string | null
  phone: string | null
  npi: string | null
  tax_id: string | null
  place_of_service: string
  bills_global: boolean
}

export interface AuditRecord {
  audit_record_pk: number
  event_date_time: string
  event_id: string
  event_action_code: string
  event_outcome_indicator: number
  actor_kind: string
  user_id: string
  network_access_point_id: string | null
  patient_pk: number | null
  study_instance_uid: string | null
  object_type: string | null
  object_id: string | null
  detail: Record<string, string> | null
  seal_number: number | null
}

/** The account's state in one word of the state table. */
export function stateOfUser(user: User): string {
  if (user.disabled) return 'disabled'
  return user.has_password ? 'active' : 'invited'
}
