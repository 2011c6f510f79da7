import { afterEach, expect, test, vi } from 'vitest'
import { http, onSignedOut, setCsrfToken, toUrl } from '@/api/http'
import { Problem } from '@/api/problem'
import { formatBytes } from '@/composables/useFormat'

vi.mock('@/locales', () => ({ language: { value: 'en' } }))

function answering(status: number, body: unknown, headers: Record<string, string> = {}) {
  const fetched = vi.fn(async (_url: string, _options: RequestInit) => new Response(body === null ? null : JSON.stringify(body), { status, headers }))
  vi.stubGlobal('fetch', fetched)
  return fetched
}
afterEach(() => vi.unstubAllGlobals())

test('toUrl_empty_values_then_left_out', () => {
  expect(toUrl('/x', { a: 1, b: '', c: null, d: undefined, e: 'ü &', f: ['1', '2'] })).toBe('/x?a=1&e=%C3%BC+%26&f=1&f=2')
})

test('http_write_then_carries_csrf_token_and_revision', async () => {
  setCsrfToken('secret')
  const fetched = answering(200, { ok: true })
  await http.patch('/api/v1/cases/LIV-1', { note: '' }, 7)
  expect(fetched.mock.calls[0][1]?.headers).toMatchObject({ 'X-Isocenter-CSRF': 'secret', 'If-Match': '"7"' })
})

test('http_read_then_carries_no_csrf_token', async () => {
  const fetched = answering(200, {})
  await http.get('/api/v1/session')
  expect(fetched.mock.calls[0][1]?.headers).not.toHaveProperty('X-Isocenter-CSRF')
})

test('http_problem_document_then_thrown_with_its_kind_and_wait', async () => {
  answering(429, { type: '/problems/too-many-requests', detail: 'Wait.', field: 'name' }, { 'Retry-After': '30' })
  await expect(http.get('/api/v1/x')).rejects.toMatchObject({ status: 429, kind: 'too-many-requests', detail: 'Wait.', field: 'name', retryAfterSeconds: 30 })
})

test('http_error_without_document_then_kind_by_status', async () => {
  vi.stubGlobal('fetch', async () => new Response('<html>', { status: 502 }))
  await expect(http.get('/api/v1/x')).rejects.toMatchObject({ kind: 'unavailable', detail: '' })
})

test('http_no_network_then_no_connection', async () => {
  vi.stubGlobal('fetch', async () => {
    throw new TypeError('failed')
  })
  await expect(http.get('/api/v1/x')).rejects.toBeInstanceOf(Problem)
  await expect(http.get('/api/v1/x')).rejects.toMatchObject({ kind: 'no-connection' })
})

test('http_session_ended_then_told_once_a_request', async () => {
  const told = vi.fn()
  onSignedOut(told)
  answering(401, {})
  await expect(http.get('/api/v1/cases')).rejects.toMatchObject({ status: 401 })
  await expect(http.get('/api/v1/session')).rejects.toMatchObject({ status: 401 })
  expect(told).toHaveBeenCalledTimes(1)
})

test('formatBytes_then_binary_units', () => {
  expect([0, 1023, 1536, 5 * 1024 ** 3].map((n) => formatBytes(n, 'en-GB'))).toEqual(['0 B', '1,023 B', '1.5 KiB', '5 GiB'])
})
