/** The keys of what is laid over pictures. */
export const OVERLAY_KEYS = { show: 'Shift+Y', list: 'Shift+N', next: 'Shift+Q', before: 'Shift+Z' } as const
