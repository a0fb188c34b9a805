/** How the stage is cut into panes. */
export interface Layout {
  rows: number
  columns: number
}

export const MOST = 3
export const ONE: Layout = { rows: 1, columns: 1 }
export const SIDE_BY_SIDE: Layout = { rows: 1, columns: 2 }
export const FOUR: Layout = { rows: 2, columns: 2 }

/** Panes by reading order: rows from the top, each from the left. */
export const PANES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'] as const
export type PaneId = (typeof PANES)[number]

export function cells(layout: Layout): number {
  return layout.rows * layout.columns
}

export function panesOf(layout: Layout): readonly PaneId[] {
  return PANES.slice(0, cells(layout))
}

export function isSame(a: Layout, b: Layout): boolean {
  return a.rows === b.rows && a.columns === b.columns
}

export function isPane(value: string | undefined): value is PaneId {
  return PANES.some((id) => id === value)
}
