/** Where a report's sentence names an image ("Se 3 Im 12", "图像 12", "第12层"), so that it can be opened beside it. Pure. */

export interface Mention {
  /** Offsets in the text, UTF-16 units. */
  start: number
  end: number
  /** Series Number (0020,0011); null when the sentence names none. */
  series: number | null
  /** Instance Number (0020,0013). */
  image: number
}

const SERIES = String.raw`(?:\b(?:series|se)\.?\s*#?|序列\s*)(\d{1,5})`
const IMAGE = String.raw`(?:\b(?:images?|img|im|slices?)\.?\s*#?\s*|图像?\s*|影像\s*|层面?\s*|IM\s*)(\d{1,5})`
const BETWEEN = String.raw`[\s,，、:：;/()-]{0,4}`
const MENTION = new RegExp(`(?:${SERIES}${BETWEEN})?(?:${IMAGE}|第\\s*(\\d{1,5})\\s*(?:层|幅|帧|张))(?!\\s*(?:\\d|\\.\\d|mm|cm|毫米|厘米))`, 'gi')

/** Every image that is named, in the order of the text. */
export function mentionsOf(text: string): Mention[] {
  return [...text.matchAll(MENTION)].map((found) => ({
    start: found.index,
    end: found.index + found[0].length,
    series: found[1] ? Number(found[1]) : null,
    image: Number(found[2] ?? found[3]),
  }))
}
