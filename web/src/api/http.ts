/** The one place that speaks HTTP: JSON in and out, the CSRF header on writes, problem+json as `Problem`. */
import { Problem, problemOf } from '@/api/problem'

export type Query = Record<string, string | number | boolean | null | undefined | readonly string[]>

export interface Page<T> {
  items: T[]
  next: string | null
}

interface Options {
  query?: Query
  body?: unknown
  /** Sent as `If-Match`; the answer is 412 when somebody else changed the thing meanwhile. */
  revision?: number
  signal?: AbortSignal
}

let csrfToken = ''
let whenSignedOut: () => void = () => undefined

/** Called by the session store after sign in and whenever the session is read. */
export function setCsrfToken(token: string): void {
  csrfToken = token
}

export function currentCsrfToken(): string {
  return csrfToken
}

/** Called when any answer but that of the session itself is 401. */
export function onSignedOut(act: () => void): void {
  whenSignedOut = act
}

/** For requests that do not go through here (uploads): an answer said 401. */
export function signedOut(): void {
  whenSignedOut()
}

export function toUrl(path: string, query: Query = {}): string {
  const parameters = new URLSearchParams()
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined || value === '') continue
    if (Array.isArray(value)) for (const one of value) parameters.append(name, String(one))
    else parameters.append(name, String(value))
  }
  const text = parameters.toString()
  return text ? `${path}?${text}` : path
}

async function request<T>(method: string, path: string, options: Options = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json' }
  if (method !== 'GET') headers['X-Isocenter-CSRF'] = csrfToken
  if (options.body !== undefined) headers['Content-Type'] = 'application/json'
  if (options.revision !== undefined) headers['If-Match'] = `"${options.revision}"`
  let answer: Response
  try {
    answer = await fetch(toUrl(path, options.query), {
      method,
      headers,
      body: options.body === undefined ? undefined : JSON.stringify(options.body),
      credentials: 'same-origin',
      signal: options.signal,
    })
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error
    throw new Problem({ status: 0, kind: 'no-connection', detail: '' })
  }
  if (!answer.ok) {
    if (answer.status === 401 && path !== '/api/v1/session') whenSignedOut()
    throw await problemOf(answer)
  }
  if (answer.status === 204) return null as T
  const json = (answer.headers.get('Content-Type') ?? 'json').includes('json')
  return (json ? await answer.json() : await answer.text()) as T
}

export const http = {
  get: <T>(path: string, query?: Query, signal?: AbortSignal) => request<T>('GET', path, { query, signal }),
  post: <T>(path: string, body?: unknown, query?: Query) => request<T>('POST', path, { body: body ?? {}, query }),
  put: <T>(path: string, body?: unknown) => request<T>('PUT', path, { body: body ?? {} }),
  patch: <T>(path: string, body: unknown, revision?: number) => request<T>('PATCH', path, { body, revision }),
  delete: <T>(path: string, revision?: number) => request<T>('DELETE', path, { revision }),
}
