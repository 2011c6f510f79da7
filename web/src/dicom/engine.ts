/** Cornerstone3D, started once. Import it only from components that are loaded when the first DICOM series is opened: it is 1 MB. */
import * as core from '@cornerstonejs/core'
import * as loader from '@cornerstonejs/dicom-image-loader'
import * as tools from '@cornerstonejs/tools'
import { frames, inOrder, word, type DicomJson } from '@/dicom/slices'

export { core, tools }

const { StackScrollTool, WindowLevelTool, PanTool, ZoomTool, LengthTool, AngleTool, EllipticalROITool, RectangleROITool, CrosshairsTool } = tools
const TOOLS = [StackScrollTool, WindowLevelTool, PanTool, ZoomTool, LengthTool, AngleTool, EllipticalROITool, RectangleROITool, CrosshairsTool]

/** What the first mouse button or one finger does. */
export const GESTURES = { window: WindowLevelTool.toolName, pan: PanTool.toolName, zoom: ZoomTool.toolName, scroll: StackScrollTool.toolName, length: LengthTool.toolName, angle: AngleTool.toolName, ellipse: EllipticalROITool.toolName, rectangle: RectangleROITool.toolName } as const
export type Gesture = keyof typeof GESTURES
export const MEASURES: Gesture[] = ['length', 'angle', 'ellipse', 'rectangle']

let started = false
export function start(): void {
  if (started) return
  started = true
  core.init()
  core.setPreferSizeOverAccuracy(false)
  loader.init({ maxWebWorkers: Math.max(1, Math.min(4, (navigator.hardwareConcurrency || 2) - 1)) })
  tools.init()
  for (const tool of TOOLS) tools.addTool(tool)
  core.cache.setMaxCacheSize(1024 ** 3)
}

export interface LoadedSeries {
  imageIds: string[]
  /** By image, the same length as `imageIds`. */
  instances: DicomJson[]
}

/** The series' metadata, handed to the loader; images themselves come when they are shown. Throws when the viewer service has none. */
export async function loadSeries(studyUid: string, seriesUid: string): Promise<LoadedSeries> {
  start()
  const base = `${location.origin}/dicom-web/studies/${studyUid}/series/${seriesUid}`
  const answer = await fetch(`${base}/metadata`, { headers: { Accept: 'application/dicom+json' } })
  if (!answer.ok) throw new Error(String(answer.status))
  const ordered = inOrder((await answer.json()) as DicomJson[])
  const all = frames(ordered).map(({ instance, frame }) => {
    const one = ordered[instance] as DicomJson
    const imageId = `wadors:${base}/instances/${word(one, '00080018')}/frames/${frame}`
    loader.wadors.metaDataManager.add(imageId, one as never)
    return { imageId, one }
  })
  return { imageIds: all.map(({ imageId }) => imageId), instances: all.map(({ one }) => one) }
}

/** A group of viewports that share tools: wheel scrolls, second button zooms, third pans, two fingers zoom. */
export function toolGroup(id: string, withCrosshairs: boolean): tools.Types.IToolGroup {
  const known = tools.ToolGroupManager.getToolGroup(id)
  if (known) return known
  const group = tools.ToolGroupManager.createToolGroup(id)
  if (!group) throw new Error(id)
  for (const tool of TOOLS) if (withCrosshairs || tool !== CrosshairsTool) group.addTool(tool.toolName)
  return group
}

/** Which gesture the first button makes from now on; measurements that were drawn stay and can be moved. */
export function arm(group: tools.Types.IToolGroup, gesture: Gesture | 'crosshairs'): void {
  const { Primary, Secondary, Auxiliary, Wheel } = tools.Enums.MouseBindings
  const first = gesture === 'crosshairs' ? CrosshairsTool.toolName : GESTURES[gesture]
  for (const name of [...Object.values(GESTURES), CrosshairsTool.toolName]) if (group.hasTool(name)) group.setToolPassive(name, { removeAllBindings: true })
  const bindings = new Map<string, tools.Types.IToolBinding[]>([
    [StackScrollTool.toolName, [{ mouseButton: Wheel }]],
    [ZoomTool.toolName, [{ mouseButton: Secondary }, { numTouchPoints: 2 }]],
    [PanTool.toolName, [{ mouseButton: Auxiliary }, { numTouchPoints: 3 }]],
  ])
  bindings.set(first, [...(bindings.get(first) ?? []), { mouseButton: Primary }, { numTouchPoints: 1 }])
  for (const [name, wanted] of bindings) group.setToolActive(name, { bindings: wanted })
}

/** Level and width to the range of values that are neither black nor white. */
export const rangeOf = (center: number, width: number): { lower: number; upper: number } => ({ lower: center - width / 2, upper: center + width / 2 })
