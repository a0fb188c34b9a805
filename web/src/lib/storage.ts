/**
 * What a browser keeps for a person: layout and preferences, never patient data.
 * Storage may be absent (private windows): then nothing is kept and nothing breaks.
 */
const PREFIX = 'wetread:'

export function load<T>(key: string, fallback: T): T {
  try {
    const text = window.localStorage.getItem(PREFIX + key)
    return text === null ? fallback : (JSON.parse(text) as T)
  } catch {
    return fallback
  }
}

export function save(key: string, value: unknown): void {
  try {
    window.localStorage.setItem(PREFIX + key, JSON.stringify(value))
  } catch {
    // Nothing is kept; the choice still holds for this window.
  }
}
