import { ApiProblem, type ProblemBody } from '../problem'

export type QueryValue = string | number | boolean | null | undefined
export type Query = Record<string, QueryValue | readonly QueryValue[]>

export interface CallOptions {
  query?: Query
  body?: unknown
  signal?: AbortSignal
  headers?: Record<string, string>
}

type Listener = (problem: ApiProblem) => void
let onUnauthenticated: Listener | undefined

/** The session layer is told when the server no longer knows who we are. */
export function whenUnauthenticated(listener: Listener | undefined): void {
  onUnauthenticated = listener
}

export function withQuery(path: string, query: Query | undefined): string {
  const search = new URLSearchParams()
  for (const [name, value] of Object.entries(query ?? {})) {
    const values: readonly QueryValue[] = Array.isArray(value) ? value : [value as QueryValue]
    for (const one of values) if (one !== undefined && one !== null && one !== '') search.append(name, String(one))
  }
  const text = search.toString()
  return text ? `${path}?${text}` : path
}

/** Turns any answer that is not a success into an ApiProblem with the request's number. */
export async function problemOf(response: Response): Promise<ApiProblem> {
  const requestId = response.headers.get('x-request-id') ?? undefined
  const type = response.headers.get('content-type') ?? ''
  let body: ProblemBody = {}
  if (type.includes('json')) {
    const parsed: unknown = await response.json().catch(() => ({}))
    if (parsed !== null && typeof parsed === 'object') body = parsed as ProblemBody
  }
  return new ApiProblem(response.status, { title: response.statusText || undefined, ...body }, requestId)
}

/** `fetch` for our own server: same-origin cookie, CSRF header, problems thrown as ApiProblem. */
export async function request(method: string, path: string, options: CallOptions = {}): Promise<Response> {
  const headers: Record<string, string> = { Accept: 'application/json', 'X-Wetread': '1', ...options.headers }
  let body: BodyInit | undefined
  if (options.body instanceof FormData || options.body instanceof Blob) body = options.body
  else if (options.body !== undefined) {
    headers['Content-Type'] = 'application/json'
    body = JSON.stringify(options.body)
  }
  let response: Response
  try {
    response = await fetch(withQuery(path, options.query), {
      method,
      headers,
      body,
      signal: options.signal,
      credentials: 'same-origin',
    })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new ApiProblem(0, {
      title: 'No connection',
      detail: 'The server could not be reached. Nothing was lost; try again when the connection is back.',
    })
  }
  if (response.ok) return response
  const problem = await problemOf(response)
  if (problem.status === 401) onUnauthenticated?.(problem)
  throw problem
}

async function json<T>(method: string, path: string, options?: CallOptions): Promise<T> {
  const response = await request(method, path, options)
  if (response.status === 204 || response.headers.get('content-length') === '0') return undefined as T
  return (await response.json()) as T
}

/** What was asked for before the part of the program that needs it was here. */
const begun = new Map<string, { at: number; answer: Promise<unknown> }>()
/** What nobody took by then may be old. */
const BEGUN_MS = 10_000
let taken = false
let persons = 0

const keyOf = (path: string, options?: CallOptions) => `${options?.headers?.['Accept'] ?? ''} ${withQuery(path, options?.query)}`

/** Asks now for what a part of the program that is not here yet will ask for: its first `http.get` of the same gets this answer. */
export function getAhead<T>(path: string, options?: CallOptions): Promise<T> {
  const answer = json<T>('GET', path, options)
  // Who takes it is told.
  answer.catch(() => undefined)
  begun.set(keyOf(path, options), { at: performance.now(), answer })
  return answer
}

/** Whether an answer was used that is of a time when nobody listened to live events yet. */
export function tookAhead(): boolean {
  return taken
}

/** Another person is signed in: nothing is his that was asked for before. */
export function forgetAhead(): void {
  persons += 1
  begun.clear()
}

/** Another number for each person who is signed in, for what is kept elsewhere of what was asked for ahead. */
export function personNumber(): number {
  return persons
}

function get<T>(path: string, options?: CallOptions): Promise<T> {
  const key = keyOf(path, options)
  const early = begun.get(key)
  begun.delete(key)
  if (!early || performance.now() - early.at > BEGUN_MS) return json<T>('GET', path, options)
  taken = true
  return early.answer as Promise<T>
}

/** JSON calls: `http.get<Answer<'/api/sites', 'get'>>('/api/sites')`. */
export const http = {
  get,
  post: <T>(path: string, body?: unknown, options?: CallOptions) => json<T>('POST', path, { ...options, body }),
  put: <T>(path: string, body?: unknown, options?: CallOptions) => json<T>('PUT', path, { ...options, body }),
  patch: <T>(path: string, body?: unknown, options?: CallOptions) => json<T>('PATCH', path, { ...options, body }),
  delete: <T = void>(path: string, options?: CallOptions) => json<T>('DELETE', path, options),
  blob: async (path: string, options?: CallOptions) =>
    (await request('GET', path, { ...options, headers: { Accept: '*/*', ...options?.headers } })).blob(),
}

/** A page of a list as every list endpoint answers it. */
export interface Page<T> {
  items: T[]
  next_cursor: string | null
  total: number | null
}
