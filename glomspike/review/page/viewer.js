// The slide with what was found on it: tiles, heatmap, circles, outlines, boxes. OpenLayers draws it.

import { Frame } from "./frame.js";

const OBJECTIVE_UM = 10; // µm/px times magnification: 40× is 0.25 µm/px
const DEEPEST_MPP = 1 / 16; // of the slide's finest
const AROUND = 1.5; // of a glomerulus's circle that is shown when it is fitted
const QUICK_MS = 250;
const COARSE_ZOOMS = 3;
const CALLS = {
  spiked: { colour: "#e02b2b", width: 3, dash: undefined },
  "not spiked": { colour: "#00a08a", width: 2, dash: undefined },
  uncertain: { colour: "#f59f00", width: 2.5, dash: [9, 5] },
};
const UNSCORED = { colour: "#5b7fd6", width: 2, dash: undefined };
const NONE = { colour: "#6b7280", width: 1.5, dash: [2, 5] };
const RIM = "rgba(255, 255, 255, 0.75)";

export class Viewer {
  // `zoomed(magnification, degrees)` follows the view, `chosen(key)` is a click on a glomerulus.
  constructor(element, zoomed, chosen) {
    this.zoomed = zoomed;
    this.key = null;
    this.clicks = true;
    this.hasHeat = false;
    this.shapes = new ol.source.Vector();
    this.marks = new ol.source.Vector();
    this.shapesLayer = new ol.layer.Vector({
      source: this.shapes, style: (shape) => this.styleOf(shape), zIndex: 3,
      updateWhileAnimating: true, updateWhileInteracting: true,
    });
    this.marksLayer = new ol.layer.Vector({ source: this.marks, style: styleOfMark, zIndex: 4 });
    this.heat = new ol.layer.Image({ zIndex: 2, opacity: 0, visible: false });
    this.map = new ol.Map({
      target: element,
      controls: [new ol.control.ScaleLine({ units: "metric", minWidth: 90, target: "scale" })],
      interactions: ol.interaction.defaults.defaults({ keyboard: false, doubleClickZoom: false }),
      layers: [this.heat, this.shapesLayer, this.marksLayer],
    });
    this.map.on("singleclick", (event) => this.clicks && this.click(event, chosen));
    this.map.on("moveend", () => this.reportView());
    this.map.on("postrender", () => this.reportView());
  }

  // Shows a slide as the server describes it; `address` is where its tiles and pictures are.
  open(slide, address) {
    this.frame = new Frame(slide);
    this.address = address;
    this.places = new Map();
    const extent = this.frame.extent;
    const projection = new ol.proj.Projection({
      code: "slide", units: "pixels", metersPerUnit: 1e-6, extent, getPointResolution: (resolution) => resolution,
    });
    if (this.tissue) this.map.removeLayer(this.tissue);
    this.tissue = slide.tiles ? tiled(slide.tiles, address, projection, extent) : new ol.layer.Image({ visible: false });
    this.tissue.setZIndex(1);
    this.map.addLayer(this.tissue);
    this.hasTiles = slide.tiles !== null;
    const finest = Math.min(...slide.mpp);
    this.map.setView(new ol.View({
      projection, extent: ol.extent.buffer(extent, Math.max(this.frame.width, this.frame.height) / 2),
      center: ol.extent.getCenter(extent), minResolution: finest * DEEPEST_MPP,
      maxResolution: 2 * Math.max(this.frame.width, this.frame.height) / 256,
      showFullExtent: true, constrainOnlyCenter: true, enableRotation: true, constrainRotation: false,
    }));
    this.projection = projection;
    this.shapes.clear();
    this.marks.clear();
    this.showHeat(false);
    this.fitWhole(0);
    this.isNew = true;
  }

  // Draws a glomerulus, in place of what was drawn for it.
  draw(one) {
    this.erase(one.key);
    const circle = this.circleOf(one);
    const outline = one.outline0 && new ol.geom.Polygon([one.outline0.map((point) => this.frame.fromLevel0(point))]);
    const shape = new ol.Feature({ geometry: outline ?? circle, one });
    shape.setId(one.key);
    this.shapes.addFeature(shape);
  }

  erase(key) {
    const shape = this.shapes.getFeatureById(key);
    if (shape) this.shapes.removeFeature(shape);
  }

  circleOf(one) {
    const { x0, y0, radius_um } = one.circle;
    return new ol.geom.Circle(this.frame.fromLevel0([x0, y0]), radius_um);
  }

  // Marks a glomerulus as the current one, with its boxes, its circle, its heatmap.
  choose(one) {
    this.key = one?.key ?? null;
    this.marks.clear();
    this.shapes.changed();
    if (one) {
      this.mark(one);
      this.placePictures(one);
    } else {
      this.showHeat(false);
    }
  }

  mark(one) {
    for (const [x0, y0, width0, height0] of one.boxes0) this.addMark("box", [x0, y0, x0 + width0, y0 + height0]);
    if (one.outline0) this.marks.addFeature(new ol.Feature({ geometry: this.circleOf(one), kind: "circle" }));
  }

  addMark(kind, corners0) {
    const geometry = ol.geom.Polygon.fromExtent(this.frame.extentOf(corners0));
    this.marks.addFeature(new ol.Feature({ geometry, kind, corners0 }));
  }

  // The heatmap lies over the slide; where the slide is missing, the run's picture lies in its place.
  async placePictures(one) {
    this.showHeat(false);
    if (!one.run?.pictured) return;
    const number = one.run.number;
    if (!this.places.has(number)) {
      const answer = await fetch(`${this.address}/places/${number}`);
      this.places.set(number, answer.ok ? await answer.json() : null);
    }
    const place = this.places.get(number);
    if (!place || this.key !== one.key) return;
    const picture = (kind) => new ol.source.ImageStatic({
      url: `${this.address}/pictures/${kind}/${number}`, imageExtent: this.frame.extentOf(place), projection: this.projection,
    });
    if (one.run.probability !== null) {
      this.heat.setSource(picture("heatmaps"));
      this.showHeat(true);
    }
    if (!this.hasTiles) {
      this.tissue.setSource(picture("images"));
      this.tissue.setVisible(true);
    }
  }

  fitWhole(duration = QUICK_MS) {
    this.map.getView().fit(this.frame.extent, { padding: [20, 20, 20, 20], duration });
  }

  // Goes to a glomerulus: at once where the slide was only just opened, so that no tile on the way is fetched.
  fit(one) {
    const [x, y] = this.frame.fromLevel0([one.circle.x0, one.circle.y0]);
    const reach = one.circle.radius_um * AROUND;
    this.map.getView().fit([x - reach, y - reach, x + reach, y + reach], { duration: this.isNew ? 0 : QUICK_MS });
    this.isNew = false;
  }

  zoom(steps) {
    const view = this.map.getView();
    view.animate({ zoom: view.getZoom() + steps, duration: QUICK_MS });
  }

  turn(degrees) {
    const view = this.map.getView();
    view.animate({ rotation: view.getRotation() + degrees * Math.PI / 180, duration: QUICK_MS });
  }

  upright() {
    this.map.getView().animate({ rotation: 0, duration: QUICK_MS });
  }

  // Moves the view by parts of its size, as the screen shows right and down.
  pan(right, down) {
    const view = this.map.getView();
    const [width, height] = this.map.getSize();
    const [x, y] = [right * width * view.getResolution(), -down * height * view.getResolution()];
    const [cos, sin] = [Math.cos(view.getRotation()), Math.sin(view.getRotation())];
    const [centreX, centreY] = view.getCenter();
    view.animate({ center: [centreX + x * cos - y * sin, centreY + x * sin + y * cos], duration: QUICK_MS });
  }

  fadeOutlines(opacity) {
    this.shapesLayer.setOpacity(opacity);
    this.marksLayer.setOpacity(opacity);
  }

  fadeHeat(opacity) {
    this.heat.setOpacity(opacity);
    this.showHeat(this.hasHeat);
  }

  // A heatmap that is faded out is not fetched.
  showHeat(hasHeat) {
    this.hasHeat = hasHeat;
    this.heat.setVisible(hasHeat && this.heat.getOpacity() > 0);
  }

  reportView() {
    const view = this.map.getView();
    if (view.getResolution()) {
      this.zoomed(OBJECTIVE_UM / view.getResolution(), Math.round(view.getRotation() * 180 / Math.PI));
    }
  }

  click(event, chosen) {
    const [shape] = this.map.getFeaturesAtPixel(event.pixel, {
      hitTolerance: 6, layerFilter: (layer) => layer === this.shapesLayer,
    });
    if (shape) chosen(shape.get("one").key);
  }

  styleOf(shape) {
    const one = shape.get("one");
    const isChosen = one.key === this.key;
    const { colour, width, dash } = one.is_glomerulus ? CALLS[one.call] ?? UNSCORED : NONE;
    const thick = isChosen ? width + 1 : width;
    return [
      new ol.style.Style({ stroke: new ol.style.Stroke({ color: RIM, width: thick + 2.5 }) }),
      new ol.style.Style({
        stroke: new ol.style.Stroke({ color: colour, width: thick, lineDash: dash }),
        fill: new ol.style.Fill({ color: "rgba(255, 255, 255, 0.01)" }), // so that a click inside is one on it
        text: isChosen ? undefined : labelOf(one.label, colour),
      }),
    ];
  }
}

// The tiles over those of the coarsest zooms, which are few and always there, so that nothing is ever blank.
function tiled({ mpps, side }, address, projection, extent) {
  const zooms = (resolutions) => new ol.layer.Tile({
    extent,
    source: new ol.source.TileImage({
      projection, transition: 0, wrapX: false,
      tileGrid: new ol.tilegrid.TileGrid({ extent, origin: [0, 0], resolutions, tileSize: side }),
      tileUrlFunction: ([zoom, column, row]) => `${address}/tiles/${zoom}/${column}/${row}`,
    }),
  });
  return new ol.layer.Group({ layers: [zooms(mpps.slice(0, COARSE_ZOOMS)), zooms(mpps)] });
}

function labelOf(text, colour) {
  return new ol.style.Text({
    text, font: "600 14px system-ui, sans-serif", overflow: true,
    fill: new ol.style.Fill({ color: colour }), stroke: new ol.style.Stroke({ color: "#fff", width: 4 }),
  });
}

const MARKS = {
  box: new ol.style.Style({
    stroke: new ol.style.Stroke({ color: "#ffd400", width: 2.5 }), fill: new ol.style.Fill({ color: "rgba(255, 212, 0, 0.06)" }),
  }),
  circle: new ol.style.Style({ stroke: new ol.style.Stroke({ color: "rgba(20, 90, 160, 0.75)", width: 1.25, lineDash: [5, 5] }) }),
};

function styleOfMark(mark) {
  return MARKS[mark.get("kind")];
}
