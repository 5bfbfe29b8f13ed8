import * as common from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardBuilder,
  DashboardCursorSync,
  type DataSourceRef,
  QueryVariableBuilder,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';

/** The two kinds of panel that all dashboards are made of, and the frame around them. */

/** The uid in `provisioning/datasources`. */
export const dataSource: DataSourceRef = { type: 'prometheus', uid: 'prometheus' };

export interface PanelText {
  /** In words of the business: no metric names. */
  title: string;
  /** One of Grafana's unit ids (https://grafana.com/docs/grafana/latest/panels-visualizations/configure-standard-options/#unit). */
  unit: string;
  /** What is seen when all is well. */
  normal: string;
  /** What to do when it is not. */
  otherwise: string;
  /** PromQL, by its legend. */
  queries: Record<string, string>;
  /** Of 24 columns. */
  columns: number;
  /** The colour turns amber, then red from these values on; with `isFloor`, below them. */
  warn?: { amber: number; red: number; isFloor?: boolean };
}

/** One figure, large, with its recent course behind it. */
export function figure(text: PanelText): StatBuilder {
  const panel = new StatBuilder()
    .graphMode(common.BigValueGraphMode.Area)
    .colorMode(text.warn === undefined ? common.BigValueColorMode.None : common.BigValueColorMode.Value)
    .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
    .height(4);
  return withText(panel, text);
}

/** Lines over time; `isStacked` for parts of a whole. */
export function lines(text: PanelText & { isStacked?: boolean }): TimeseriesBuilder {
  const panel = new TimeseriesBuilder()
    .height(8)
    .min(0)
    .fillOpacity(text.isStacked ? 30 : 5)
    .showPoints(common.VisibilityMode.Never)
    .stacking(
      new common.StackingConfigBuilder().mode(text.isStacked ? common.StackingMode.Normal : common.StackingMode.None),
    )
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.List)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(
      new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending),
    );
  if (text.warn !== undefined)
    panel.thresholdsStyle(new common.GraphThresholdsStyleConfigBuilder().mode(common.GraphThresholdsStyleMode.Dashed));
  return withText(panel, text);
}

function withText<P extends StatBuilder | TimeseriesBuilder>(panel: P, text: PanelText): P {
  panel
    .title(text.title)
    .description(`**Normal:** ${text.normal}\n\n**If not:** ${text.otherwise}`)
    .unit(text.unit)
    .span(text.columns)
    .datasource(dataSource)
    .thresholds(thresholds(text.warn));
  Object.entries(text.queries).forEach(([legend, expr], index) => {
    panel.withTarget(
      new DataqueryBuilder()
        .refId(String.fromCharCode(65 + index))
        .datasource(dataSource)
        .expr(expr)
        .legendFormat(legend)
        .range(),
    );
  });
  return panel;
}

function thresholds(warn: PanelText['warn']): ThresholdsConfigBuilder {
  const [first, last] = warn?.isFloor ? ['red', 'green'] : ['green', 'red'];
  const steps =
    warn === undefined
      ? []
      : [
          { value: warn.isFloor ? warn.red : warn.amber, color: 'orange' },
          { value: warn.isFloor ? warn.amber : warn.red, color: last as string },
        ];
  return new ThresholdsConfigBuilder()
    .mode(ThresholdsMode.Absolute)
    .steps([{ value: null, color: first as string }, ...steps]);
}

/** An empty dashboard. `uid` is in its address: links break when it changes. */
export function dashboard(title: string, uid: string, description: string): DashboardBuilder {
  return new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags(['penstock'])
    .readonly()
    .refresh('10s')
    .time({ from: 'now-30m', to: 'now' })
    .tooltip(DashboardCursorSync.Crosshair);
}

/** Chooses lanes: `$lane` in a query, always with `=~`. */
export function laneVariable(): QueryVariableBuilder {
  return new QueryVariableBuilder('lane')
    .label('Lane')
    .datasource(dataSource)
    .query('label_values(penstock_slots, lane)')
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue('.+')
    .current({ selected: true, text: 'All', value: '$__all' });
}
