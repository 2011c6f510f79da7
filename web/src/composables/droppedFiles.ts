import type { UploadFile } from '@/composables/useUpload'

/** The files of a drop, folders walked through, each with its path under what was dropped. */
export async function droppedFiles(transfer: DataTransfer): Promise<UploadFile[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null)
  if (!entries.length) return [...transfer.files].map((file) => ({ path: file.name, file }))
  return (await Promise.all(entries.map((entry) => walk(entry, '')))).flat()
}

/** The files of an `<input type=file>`, with their path when a folder was chosen. */
export function chosenFiles(list: FileList | null): UploadFile[] {
  return [...(list ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }))
}

async function walk(entry: FileSystemEntry, above: string): Promise<UploadFile[]> {
  const path = above + entry.name
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))
    return [{ path, file }]
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader()
  const inside: FileSystemEntry[] = []
  // readEntries gives at most 100 a call
  for (let some = await read(reader); some.length; some = await read(reader)) inside.push(...some)
  return (await Promise.all(inside.map((one) => walk(one, `${path}/`)))).flat()
}

function read(reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> {
  return new Promise((resolve, reject) => reader.readEntries(resolve, reject))
}
