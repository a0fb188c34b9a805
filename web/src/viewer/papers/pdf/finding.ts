/** A run of text as a page holds it; some end a line. */
export interface Run {
  str: string
  hasEOL?: boolean
}

/** Where words stand on a page: from which run to which. */
export interface Match {
  first: number
  last: number
}

const MOST = 5_000

const plain = (words: string) => words.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase()

/** All places of words in the runs of a page, whatever their capitals and accents, across runs and lines. */
export function matchesIn(runs: readonly Run[], words: string): Match[] {
  const wanted = plain(words).trim().replace(/\s+/g, ' ')
  if (!wanted) return []
  let all = ''
  // Which run each letter is of.
  const of: number[] = []
  runs.forEach((run, at) => {
    for (const letter of plain(run.str) + (run.hasEOL ? ' ' : '')) {
      if (/\s/.test(letter) && all.endsWith(' ')) continue
      const said = /\s/.test(letter) ? ' ' : letter
      all += said
      for (let n = 0; n < said.length; n += 1) of.push(at)
    }
  })
  const found: Match[] = []
  for (let at = all.indexOf(wanted); at >= 0 && found.length < MOST; at = all.indexOf(wanted, at + wanted.length)) {
    const [first, last] = [of[at], of[at + wanted.length - 1]]
    if (first !== undefined && last !== undefined) found.push({ first, last })
  }
  return found
}
