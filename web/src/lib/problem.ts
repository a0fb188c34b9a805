/** One field of a refused input, as the server names it (`referring_physician_name`, `steps[0].modality`, …). */
export interface FieldError {
  field: string
  reason: string
}

/** RFC 9457 problem details as the server sends them. */
export interface ProblemBody {
  type?: string
  title?: string
  status?: number
  detail?: string
  errors?: FieldError[]
  request_id?: string
}

/** An answer that was not a success. `status` 0 means that no answer came: the server could not be reached. */
export class ApiProblem extends Error {
  readonly status: number
  readonly title: string
  readonly detail: string
  readonly errors: FieldError[]
  readonly requestId: string | undefined

  constructor(status: number, body: ProblemBody, requestId?: string) {
    super(body.detail ?? body.title ?? `HTTP ${status}`)
    this.name = 'ApiProblem'
    this.status = status
    this.title = body.title ?? (status === 0 ? 'No connection' : 'The server refused this')
    this.detail = body.detail ?? ''
    this.errors = body.errors ?? []
    this.requestId = body.request_id ?? requestId
  }

  /** The reason given for one field, if any. */
  reason(field: string): string | undefined {
    return this.errors.find((error) => error.field === field)?.reason
  }
}

export function asProblem(error: unknown): ApiProblem {
  if (error instanceof ApiProblem) return error
  return new ApiProblem(0, {
    title: 'Something went wrong in this window',
    detail: error instanceof Error ? error.message : String(error),
  })
}
