export { http, request, withQuery, type CallOptions, type Page, type Query } from './http'
export { useLive, useLiveEvents, useLiveStatus, type LiveEvent, type LiveStatus } from './live'
export { SessionProvider, useActor, useSession, type Credentials, type SessionActor } from './session'
export { ApiProblem, asProblem, type FieldError } from '../problem'
