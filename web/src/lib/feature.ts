import type { Icon } from '@tabler/icons-react'
import type { Part } from './later'
import type { Permission, Role } from './permissions'

/** One screen. `path` is a TanStack Router path such as `/patients/$patientPk`. */
export interface FeatureRoute {
  path: string
  component: Part
  title: string
  /** Who may open it; anyone signed in when left out. */
  permission?: Permission
  /** `rail` (default): inside the frame. `bare`: the screen owns the window, signed in. `public`: no session needed. */
  frame?: 'rail' | 'bare' | 'public'
  /** The room of light this screen is made for; the user's own choice otherwise. */
  light?: 'reading' | 'desk'
}

/** A place on the rail. The first one a person may see is their home. */
export interface FeatureNav {
  label: string
  to: string
  /** Screens that are of this place though their path does not say so. */
  also?: readonly string[]
  icon: Icon
  permission: Permission
  /** Only for these roles, when given (permission is still needed). */
  roles?: readonly Role[]
  /** Smaller comes first; homes use 0 to 9, the rest 10 and up (default 50). */
  order?: number
}

/** What the spotlight (Ctrl/⌘ K) shows for one hit. Never put clinical text in it. */
export interface SearchHit {
  id: string
  label: string
  description?: string
  to: string
}

/** Answers the spotlight for one kind of thing (patients, accession numbers, …). */
export interface SearchProvider {
  id: string
  label: string
  permission: Permission
  search: (text: string, signal: AbortSignal) => Promise<SearchHit[]>
}

/** An action the spotlight offers, such as "Walk-in" or "Register patient". */
export interface FeatureAction {
  id: string
  label: string
  to: string
  permission: Permission
  keys?: string
}

/** What a folder under `features/` gives to the app: `export const feature: Feature = {…}` in its `index.tsx`. */
export interface Feature {
  routes: FeatureRoute[]
  nav: FeatureNav[]
  search?: SearchProvider[]
  actions?: FeatureAction[]
}
