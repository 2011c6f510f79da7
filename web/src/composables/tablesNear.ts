import { importsApi, type Entry } from '@/api/imports'
import { isTableName } from '@/composables/useImportDraft'

export interface NearTable {
  root: string
  path: string
  name: string
}

const MOST_FOLDERS = 12
const FEW_FOLDERS = 6
const join = (folder: string, name: string): string => (folder ? `${folder}/${name}` : name)

/** Tables in a server folder, beside it (images/ and tables/ often are neighbours), and in the folders right inside it. */
export async function tablesNear(root: string, path: string): Promise<NearTable[]> {
  const above = path.split('/').slice(0, -1).join('/')
  const here = await importsApi.browse(root, path)
  const beside = path ? await importsApi.browse(root, above) : { entries: [] }
  const inside = foldersOf(path, here.entries)
  const folders = [
    ...(above ? foldersOf(above, beside.entries).filter((folder) => folder !== path) : []),
    // a folder an examination day or patient holds images, not tables
    ...(inside.length <= FEW_FOLDERS ? inside : []),
  ]
  const deeper = await Promise.all(folders.slice(0, MOST_FOLDERS).map(async (folder) => tablesOf(root, folder, (await importsApi.browse(root, folder)).entries)))
  return [...tablesOf(root, path, here.entries), ...(path ? tablesOf(root, above, beside.entries) : []), ...deeper.flat()]
}

const foldersOf = (folder: string, entries: Entry[]): string[] => entries.filter((one) => one.kind === 'folder').map((one) => join(folder, one.name))

function tablesOf(root: string, folder: string, entries: Entry[]): NearTable[] {
  return entries.filter((one) => one.kind === 'file' && isTableName(one.name)).map((one) => ({ root, path: join(folder, one.name), name: one.name }))
}
