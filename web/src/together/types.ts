import type { Answer } from '@/lib/api'

export type SessionDetail = Answer<'/api/together/sessions/{live_session_pk}/join', 'post'>
export type SessionLine = Answer<'/api/together/sessions', 'get'>[number]
export type Account = Answer<'/api/together/directory/find', 'post'>[number]
export type Invited = Answer<'/api/together/sessions/{live_session_pk}/links', 'post'>
