/** The pictures of a series in the order a person scrolls them, from its DICOM JSON metadata (PS3.18 F). Pure: no library, no request. */

export type DicomJson = Record<string, { vr: string; Value?: unknown[] }>

export const numbers = (instance: DicomJson, tag: string): number[] => (instance[tag]?.Value ?? []).map(Number).filter(Number.isFinite)
export const word = (instance: DicomJson, tag: string): string => String(instance[tag]?.Value?.[0] ?? '')

const POSITION = '00200032'
const ORIENTATION = '00200037'
const INSTANCE_NUMBER = '00200013'

function normalOf(instance: DicomJson): [number, number, number] | null {
  const [a, b, c, d, e, f] = numbers(instance, ORIENTATION)
  if (f === undefined || a === undefined || b === undefined || c === undefined || d === undefined || e === undefined) return null
  return [b * f - c * e, c * d - a * f, a * e - b * d]
}

const alike = (a: DicomJson, b: DicomJson): boolean => {
  const [first, second] = [numbers(a, ORIENTATION), numbers(b, ORIENTATION)]
  return first.length === 6 && first.every((value, n) => Math.abs(value - (second[n] ?? 9)) < 1e-3)
}

const along = (instance: DicomJson, normal: [number, number, number]): number =>
  numbers(instance, POSITION).reduce((sum, value, n) => sum + value * (normal[n] ?? 0), 0)

/** Instances that hold pixels, by position along the slice normal where all share one orientation, else by Instance Number. */
export function inOrder(instances: DicomJson[]): DicomJson[] {
  const pictures = instances.filter((one) => numbers(one, '00280010').length > 0)
  const first = pictures[0]
  const normal = first && normalOf(first)
  const byNumber = (a: DicomJson, b: DicomJson): number => (numbers(a, INSTANCE_NUMBER)[0] ?? 0) - (numbers(b, INSTANCE_NUMBER)[0] ?? 0)
  if (!first || !normal || !pictures.every((one) => alike(first, one) && numbers(one, POSITION).length === 3)) return [...pictures].sort(byNumber)
  return [...pictures].sort((a, b) => along(a, normal) - along(b, normal) || byNumber(a, b))
}

/** Whether planes can be cut through them: at least four parallel single-frame slices of one size, equally far apart within 5 %. */
export function isVolume(ordered: DicomJson[]): boolean {
  const first = ordered[0]
  const normal = first && normalOf(first)
  if (!first || !normal || ordered.length < 4) return false
  const same = (tag: string): boolean => ordered.every((one) => word(one, tag) === word(first, tag))
  if (!same('00280010') || !same('00280011') || word(first, '00280004').startsWith('RGB') || !ordered.every((one) => (numbers(one, '00280008')[0] ?? 1) === 1 && alike(first, one))) return false
  const gaps = ordered.slice(1).map((one, n) => along(one, normal) - along(ordered[n] as DicomJson, normal))
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
  return mean > 1e-3 && gaps.every((gap) => Math.abs(gap - mean) <= 0.05 * mean)
}

/** Which picture of another series lies nearest to a place in the patient, mm; null where the other one has no positions. */
export function nearest(ordered: DicomJson[], place: number[]): number | null {
  const first = ordered[0]
  const normal = first && normalOf(first)
  if (!first || !normal || place.length !== 3) return null
  const wanted = place.reduce((sum, value, n) => sum + value * (normal[n] ?? 0), 0)
  const far = ordered.map((one) => (numbers(one, POSITION).length === 3 ? Math.abs(along(one, normal) - wanted) : Infinity))
  const least = Math.min(...far)
  return Number.isFinite(least) ? far.indexOf(least) : null
}

/** Frames of all instances, in order: the number of the instance and the frame in it, from 1. */
export const frames = (ordered: DicomJson[]): { instance: number; frame: number }[] =>
  ordered.flatMap((one, instance) => Array.from({ length: Math.max(1, numbers(one, '00280008')[0] ?? 1) }, (_, n) => ({ instance, frame: n + 1 })))

/** Which picture has this Instance Number, where the series has that Series Number (null: any); null when there is none. */
export function pictureNamed(pictures: DicomJson[], series: number | null, image: number): number | null {
  if (series !== null && numbers(pictures[0] ?? {}, '00200011')[0] !== series) return null
  const found = pictures.findIndex((one) => numbers(one, INSTANCE_NUMBER)[0] === image)
  return found < 0 ? null : found
}
