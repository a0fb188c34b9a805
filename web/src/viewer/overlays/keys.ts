/** The keys of what is laid over pictures. */
export const OVERLAY_KEYS = { show: 'Shift+Z', list: '*', next: 'Alt+PageDown', before: 'Alt+PageUp' } as const
