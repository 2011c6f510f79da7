import type { Evidence } from '@/api/reviews'

export interface Piece {
  text: string
  /** The evidence this piece is, absent for plain text. */
  evidence?: Evidence
}

const CLOSING = ['）', ')', '】', ']']
const OPENING = ['（', '(', '【', '[']

/** Where words that begin inside a bracket and end outside of it are better begun: after the bracket. */
function tidied(points: readonly string[], start: number, end: number): number {
  const inside = points.slice(start, end)
  const closed = inside.findIndex((point) => CLOSING.includes(point))
  const balanced = closed < 0 || inside.slice(0, closed).some((point) => OPENING.includes(point))
  return balanced || start + closed + 1 >= end ? start : start + closed + 1
}

/**
 * A section's text cut at its evidence. Offsets count code points, as the server (Python) does, not UTF-16 units.
 * Of overlapping evidence the earlier and longer one wins; what lies outside of the text is left out.
 */
export function markedText(text: string, evidence: readonly Evidence[]): Piece[] {
  const points = Array.from(text)
  const spans = evidence.filter((one) => one.start >= 0 && one.end <= points.length && one.start < one.end).sort((a, b) => a.start - b.start || b.end - a.end)
  const pieces: Piece[] = []
  let at = 0
  for (const one of spans) {
    if (one.start < at) continue
    const start = tidied(points, one.start, one.end)
    if (start > at) pieces.push({ text: points.slice(at, start).join('') })
    pieces.push({ text: points.slice(start, one.end).join(''), evidence: one })
    at = one.end
  }
  if (at < points.length) pieces.push({ text: points.slice(at).join('') })
  return pieces
}
