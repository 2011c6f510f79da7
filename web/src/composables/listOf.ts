/** The rows of an answer, whether it is a page, a named list or a bare one. */
export function listOf<T>(answer: T[] | { items: T[] } | Record<string, T[]> | undefined, name: string): T[] {
  if (!answer) return []
  if (Array.isArray(answer)) return answer
  const named = answer as Record<string, T[]>
  return named.items ?? named[name] ?? []
}
