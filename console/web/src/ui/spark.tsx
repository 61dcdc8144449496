interface Props { values: number[]; hot: boolean; label: string; width?: number; height?: number }

// Spark is a small line chart without axes.
export function Spark({ values, hot, label, width = 140, height = 20 }: Props) {
  if (values.length < 2) return <svg width={width} height={height} aria-hidden="true" />;
  const top = Math.max(...values, 1e-9);
  const step = width / Math.max(30, values.length - 1);
  const left = width - step * (values.length - 1);
  const at = values.map((v, i) => `${(left + i * step).toFixed(1)},${(height - 2 - (v / top) * (height - 4)).toFixed(1)}`);
  return (
    <svg class={`spark ${hot ? "hot" : ""}`} width={width} height={height} role="img" aria-label={label}>
      <polygon points={`${left.toFixed(1)},${height} ${at.join(" ")} ${width},${height}`} />
      <polyline points={at.join(" ")} />
    </svg>
  );
}
