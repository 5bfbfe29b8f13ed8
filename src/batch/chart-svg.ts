import type { EChartsOption } from 'echarts';
import type { Chart, ChartPoint } from '../core/report-charts.ts';

/**
 * Charts as SVG, drawn by echarts without a browser. It is some megabytes of code: only who draws loads it
 * (https://echarts.apache.org/handbook/en/how-to/cross-platform/server/).
 */

const widthPx = 760;
const heightPx = 340;
/** More labels than that stand aslant. */
const mostUpright = 8;
/** Told apart by people who see colours differently; on white and on near black (Okabe and Ito). */
const colours = ['#0072b2', '#e69f00', '#009e73', '#cc79a7', '#56b4e9', '#d55e00', '#8c8c8c', '#b8ad00'];

/** The chart as one `<svg>` element without styles, scripts or ids: the same points give the same text. */
export async function chartSvg(type: Chart['type'], points: readonly ChartPoint[]): Promise<string> {
  const echarts = await import('echarts');
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: widthPx, height: heightPx });
  try {
    chart.setOption({ animation: false, color: colours, ...(type === 'pie' ? pie(points) : axes(type, points)) });
    return cleaned(chart.renderToSVGString({ useViewBox: true }));
  } finally {
    // It keeps a timer, and with it the process.
    chart.dispose();
  }
}

function axes(type: 'bar' | 'line', points: readonly ChartPoint[]): EChartsOption {
  const isAslant = points.length > mostUpright || points.some(({ label }) => label.length > 14);
  return {
    grid: { left: 16, right: 24, top: 24, bottom: 16, containLabel: true },
    xAxis: {
      type: 'category',
      data: points.map(({ label }) => label),
      axisLabel: { rotate: isAslant ? 35 : 0, width: 120, overflow: 'truncate', hideOverlap: true },
    },
    yAxis: { type: 'value' },
    series: [{ type, data: points.map(({ value }) => value), silent: true, barMaxWidth: 56, symbolSize: 7 }],
  } as EChartsOption;
}

function pie(points: readonly ChartPoint[]): EChartsOption {
  const data = points.map(({ label, value }) => ({ name: label, value }));
  return {
    series: [{ type: 'pie', radius: ['38%', '70%'], data, silent: true, label: { width: 180, overflow: 'truncate' } }],
  };
}

/** Without what is only for a mouse, and without clips: their ids count up with every chart of the process. Text stands escaped. */
function cleaned(svg: string): string {
  return svg
    .replace(/<(style|defs)[\s\S]*?<\/\1>/g, '')
    .replace(/<([^<>]*)>/g, (tag) =>
      tag.replace(/ (?:class|clip-path|pointer-events|ecmeta_[\w-]+|xml:space)="[^"]*"/g, ''),
    )
    .trim();
}
