import { importsApi } from '@/api/imports'
import { isTableName } from '@/composables/useImportDraft'

export interface NearTable {
  root: string
  path: string
  name: string
}

const MOST_FOLDERS = 12
const join = (folder: string, name: string): string => (folder ? `${folder}/${name}` : name)

/** Tables in a server folder, in the folders right inside it, and beside it (images/ and tables/ often are neighbours). */
export async function tablesNear(root: string, path: string): Promise<NearTable[]> {
  const here = await importsApi.browse(root, path)
  const above = path.split('/').slice(0, -1).join('/')
  const folders = here.entries.filter((one) => one.kind === 'folder').map((one) => join(path, one.name))
  const beside = path ? await importsApi.browse(root, above) : { entries: [] }
  folders.push(...beside.entries.filter((one) => one.kind === 'folder' && join(above, one.name) !== path && above).map((one) => join(above, one.name)))
  const found = [...tablesOf(root, path, here.entries), ...tablesOf(root, above, beside.entries)]
  const inside = await Promise.all(
    folders.slice(0, MOST_FOLDERS).map(async (folder) => tablesOf(root, folder, (await importsApi.browse(root, folder)).entries)),
  )
  return [...found, ...inside.flat()]
}

function tablesOf(root: string, folder: string, entries: { name: string; kind: string }[]): NearTable[] {
  return entries.filter((one) => one.kind === 'file' && isTableName(one.name)).map((one) => ({ root, path: join(folder, one.name), name: one.name }))
}
