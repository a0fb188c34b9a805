/**
 * Joins places that have been joined two by two, by their numbers, to lines as an SVG path: closed ones end where they
 * began. What is joined is used up.
 */
export function chained(next: Map<number, number[]>, place: (number: number) => string): { d: string; isClosed: boolean } {
  let [d, isClosed] = ['', true]
  const follow = (start: number) => {
    let here = start
    d += `M${place(here)}`
    for (;;) {
      const on = next.get(here)?.pop()
      if (on === undefined) {
        isClosed = false
        return
      }
      const back = next.get(on)
      back?.splice(back.indexOf(here), 1)
      if (on === start) {
        d += 'Z'
        return
      }
      d += `L${place(on)}`
      here = on
    }
  }
  // Ends first: from elsewhere a line would be followed to one of them alone.
  for (const [number, others] of next) if (others.length % 2 === 1) follow(number)
  for (const [number, others] of next) while (others.length) follow(number)
  return { d, isClosed }
}

export function join(next: Map<number, number[]>, a: number, b: number): void {
  for (const [one, other] of [[a, b], [b, a]] as const) {
    const known = next.get(one)
    if (known) known.push(other)
    else next.set(one, [other])
  }
}
