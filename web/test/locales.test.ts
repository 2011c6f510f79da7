import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import en from '@/locales/en'
import zh from '@/locales/zh-CN'

type Tree = { [name: string]: string | Tree }

function keysOf(tree: Tree, above = ''): string[] {
  return Object.entries(tree).flatMap(([name, value]) => (typeof value === 'string' ? [above + name] : keysOf(value, `${above}${name}.`)))
}

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? sources(join(folder, entry.name)) : /\.(vue|ts)$/.test(entry.name) && !folder.endsWith('locales') ? [readFileSync(join(folder, entry.name), 'utf-8')] : [],
  )
}

const placeholders = (text: string): string[] => [...new Set(text.match(/\{[a-z_]+\}/g) ?? [])].sort()
const at = (tree: Tree, key: string): string => key.split('.').reduce<unknown>((node, name) => (node as Tree)[name], tree) as string

describe('locale files', () => {
  test('locales_both_have_the_same_keys', () => {
    expect(keysOf(zh)).toEqual(expect.arrayContaining(keysOf(en)))
    expect(keysOf(en)).toEqual(expect.arrayContaining(keysOf(zh)))
  })

  test('locales_a_key_has_the_same_placeholders_in_both', () => {
    for (const key of keysOf(en)) expect(placeholders(at(zh, key)), key).toEqual(placeholders(at(en, key)))
  })

  test('locales_every_literal_key_in_the_code_has_a_text', () => {
    const known = new Set(keysOf(en))
    const used = sources('src').flatMap((text) => [...text.matchAll(/\bt\('([A-Za-z]+(?:\.[A-Za-z_-]+)+)'/g), ...text.matchAll(/title: '([a-z][A-Za-z]*(?:\.[A-Za-z]+)+)'/g)].map((found) => found[1]))
    expect(used.length).toBeGreaterThan(200)
    expect(used.filter((key) => !known.has(key))).toEqual([])
  })
})
