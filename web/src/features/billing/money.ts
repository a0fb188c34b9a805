const formats = new Map<string, Intl.NumberFormat>()

/** Cents as money: `$450.00`. */
export function formatMoney(minor: number, currency = 'USD'): string {
  let format = formats.get(currency)
  if (!format) {
    format = new Intl.NumberFormat('en-US', { style: 'currency', currency })
    formats.set(currency, format)
  }
  return format.format(minor / 100)
}

/** What a person typed as cents; undefined where it is no amount or has parts of a cent. */
export function parseMoney(text: string): number | undefined {
  const match = /^\$?\s*(\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d{1,2}))?$/.exec(text.trim())
  if (!match?.[1]) return undefined
  return Number(match[1].replaceAll(',', '')) * 100 + Number((match[2] ?? '').padEnd(2, '0'))
}

/** Calendar days from an ISO date to today; negative while it lies ahead. */
export function daysBetween(isoDate: string, now = new Date()): number {
  const [year, month, day] = isoDate.split('-').map(Number)
  return Math.round(
    (Date.UTC(now.getFullYear(), now.getMonth(), now.getDate()) - Date.UTC(year ?? 0, (month ?? 1) - 1, day ?? 1)) / 86_400_000,
  )
}
