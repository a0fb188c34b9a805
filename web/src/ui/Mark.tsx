/** The product's mark: a film with its notched corner. */
export function Mark({ size }: { size: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden focusable="false">
      <path
        d="M6 3h15l6 6v17a3 3 0 0 1-3 3H6a3 3 0 0 1-3-3V6a3 3 0 0 1 3-3z"
        fill="var(--film)"
        stroke="var(--line-strong)"
        strokeWidth="0.75"
      />
      <path
        d="M8.2 12 11.4 23l4.1-10.5L19.6 23l3.2-11"
        fill="none"
        stroke="var(--on-film)"
        strokeWidth="2.4"
        strokeLinecap="round"
        strokeLinejoin="round"
      />
      <path d="M21 3v4.5A1.5 1.5 0 0 0 22.5 9H27z" fill="var(--accent)" />
    </svg>
  )
}
