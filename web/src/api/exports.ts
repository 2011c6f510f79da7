import { versionUrl } from '@/api/datasets'
import { currentCsrfToken, http } from '@/api/http'
import { problemOf } from '@/api/problem'
import type { Narrowed } from '@/api/narrowed'
import type * as Api from '@/api/schema'

export type ExportOptions = Record<string, unknown>

export type ExportJob = Narrowed<Api.ExportOut, { state: 'open' | 'running' | 'finished' | 'failed' | 'cancelled' }>

export type ExportFormat = Api.FormatOut

export interface ExportFile {
  path: string
  sha256: string
  size_bytes: number
}

export type AugmentStep = { kind: string } & Record<string, string | number>

const of = (name: string, number: number): string => `${versionUrl(name, number)}/exports`

export const exportsApi = {
  formats: (name: string, number: number) => http.get<{ items: ExportFormat[] }>(`${of(name, number)}/formats`),
  list: (name: string, number: number) => http.get<{ items: ExportJob[] }>(of(name, number)),
  ask: (name: string, number: number, format: string, options: ExportOptions) => http.post<ExportJob>(of(name, number), { format, options }),
  cancel: (name: string, number: number, key: string) => http.post<ExportJob>(`${of(name, number)}/${key}/cancel`),
  remove: (name: string, number: number, key: string) => http.delete<null>(`${of(name, number)}/${key}`),
  files: async (name: string, number: number, key: string) => (await http.get<{ files: ExportFile[] }>(`${of(name, number)}/${key}/manifest`)).files,
  fileUrl: (name: string, number: number, key: string, sha256: string) => `${of(name, number)}/${key}/files/${sha256}`,
  /** A picture of the version and copies of it as the recipe makes them: a PNG. Throws the Problem of a wrong recipe. */
  preview: async (name: string, number: number, augment: AugmentStep[], seed: number): Promise<Blob> => {
    const answer = await fetch(`${versionUrl(name, number)}/augmentation`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', 'X-Isocenter-CSRF': currentCsrfToken() },
      body: JSON.stringify({ augment, seed, copies: 3 }),
      credentials: 'same-origin',
    })
    if (!answer.ok) throw await problemOf(answer)
    return answer.blob()
  },
}
