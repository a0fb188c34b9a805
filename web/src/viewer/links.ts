/** What panes do together. */
export const LINKS = ['scroll', 'view', 'window', 'lines'] as const
export type LinkKind = (typeof LINKS)[number]
export type Links = Readonly<Record<LinkKind, boolean>>

export const LINK_LABEL: Record<LinkKind, string> = {
  scroll: 'Scroll by place',
  view: 'Zoom and move',
  window: 'Window',
  lines: 'Reference lines',
}

export const LINKED_AT_FIRST: Links = { scroll: true, view: false, window: true, lines: true }
