/** An error answer (RFC 9457 problem+json) or a lost connection. `kind` is stable and has a text in the locale files. */
export interface ProblemFacts {
  status: number
  kind: string
  detail: string
  field?: string
  retryAfterSeconds?: number
  /** Every field that was refused, when the answer names more than the first. */
  places?: { field: string; detail: string }[]
}

export class Problem extends Error {
  readonly status: number
  readonly kind: string
  readonly detail: string
  readonly field: string | undefined
  readonly retryAfterSeconds: number | undefined
  readonly places: { field: string; detail: string }[] | undefined

  constructor(facts: ProblemFacts) {
    super(facts.detail || facts.kind)
    this.name = 'Problem'
    this.status = facts.status
    this.kind = facts.kind
    this.detail = facts.detail
    this.field = facts.field
    this.retryAfterSeconds = facts.retryAfterSeconds
    this.places = facts.places
  }
}

const KIND_OF_STATUS: Record<number, string> = {
  400: 'invalid-input',
  401: 'not-authenticated',
  403: 'not-allowed',
  404: 'not-found',
  409: 'conflict',
  412: 'stale-revision',
  413: 'too-large',
  422: 'invalid-input',
  429: 'too-many-requests',
  502: 'unavailable',
  503: 'unavailable',
  504: 'unavailable',
  507: 'storage-full',
}

/** The problem an answer describes; a body that is no problem document still gives a kind by its status. */
export async function problemOf(answer: Response): Promise<Problem> {
  let document: { type?: string; detail?: unknown; field?: string; errors?: { field: string; detail: string }[] } = {}
  try {
    document = (await answer.json()) as typeof document
  } catch {
    // a proxy's HTML page: the status says enough
  }
  const named = document.type?.startsWith('/problems/') ? document.type.slice('/problems/'.length) : undefined
  const retry = Number(answer.headers.get('Retry-After'))
  return new Problem({
    status: answer.status,
    kind: named ?? KIND_OF_STATUS[answer.status] ?? 'unexpected',
    detail: typeof document.detail === 'string' ? document.detail : '',
    field: document.field,
    places: Array.isArray(document.errors) ? document.errors : undefined,
    retryAfterSeconds: Number.isFinite(retry) && retry > 0 ? retry : undefined,
  })
}

/** Any thrown value as a Problem, so that a page has one thing to show. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  return new Problem({ status: 0, kind: 'unexpected', detail: error instanceof Error ? error.message : '' })
}
