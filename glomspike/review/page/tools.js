// The tools that draw on the slide: each gives an edit when the hand lets go.

import { newId } from "./server.js";

const HINTS = {
  circle: "Drag the middle to move the circle, its rim to resize it. Esc when done.",
  outline: "Draw around the glomerulus with the mouse held down.",
  boxes: "Drag small boxes over spikes, up to 60 µm. Click a box to remove it. Esc when done.",
  missed: "Draw around the missed glomerulus with the mouse held down.",
  "missed-circle": "Press in the middle of the missed glomerulus and drag to its edge.",
};
const LEAST_UM = 5; // across; smaller shapes are slips of the hand
const NARROWEST_BOX_UM = 1;
const WIDEST_BOX_UM = 60;
const SMOOTH_PX = 0.75; // by which a pen's line may be simplified, on the screen

export class Tools {
  // `edit(edit)` saves, `chosen()` is the glomerulus that is worked on and `boxes()` its boxes,
  // `shown(name, hint)` follows the tool, `refuse(why)` says why something drawn was not taken.
  constructor(viewer, { edit, chosen, boxes, shown, refuse }) {
    Object.assign(this, { viewer, edit, chosen, boxes, shown, refuse });
    this.name = "look";
    this.active = [];
  }

  take(name) {
    this.put();
    if (name === "look") return;
    if (["circle", "outline", "boxes"].includes(name) && !this.chosen()) {
      this.refuse("choose a glomerulus first");
      return;
    }
    this.name = name;
    this.viewer.clicks = false;
    this.active = this[{ circle: "moving", outline: "redrawing", boxes: "boxing", missed: "missing", "missed-circle": "encircling" }[name]]();
    for (const one of this.active) this.viewer.map.addInteraction(one);
    this.shown(name, HINTS[name]);
  }

  // Puts the tool away.
  put() {
    for (const one of this.active) this.viewer.map.removeInteraction(one);
    if (this.handle) this.viewer.marks.removeFeature(this.handle);
    if (this.clicks) ol.Observable.unByKey(this.clicks);
    this.handle = this.clicks = null;
    this.active = [];
    this.name = "look";
    this.viewer.clicks = true;
    this.shown("look", "");
  }

  // What is chosen has changed, or was redrawn: the tool continues with it, or is put away.
  follow(isAnother) {
    if (["look", "circle", "boxes"].includes(this.name)) this.take(this.name);
    else if (isAnother && this.name === "outline") this.put();
  }

  moving() {
    const one = this.chosen();
    const circle = this.viewer.circleOf(one);
    this.handle = new ol.Feature({ geometry: circle, kind: "handle" });
    this.handle.setStyle([
      new ol.style.Style({ stroke: new ol.style.Stroke({ color: "#fff", width: 5 }) }),
      new ol.style.Style({ stroke: new ol.style.Stroke({ color: "#0b63c4", width: 2.5 }) }),
      new ol.style.Style({
        geometry: (feature) => new ol.geom.Point(feature.getGeometry().getCenter()),
        image: new ol.style.Circle({ radius: 8, fill: new ol.style.Fill({ color: "#0b63c4" }), stroke: new ol.style.Stroke({ color: "#fff", width: 2 }) }),
      }),
    ]);
    this.viewer.marks.addFeature(this.handle);
    const modify = new ol.interaction.Modify({ features: new ol.Collection([this.handle]), pixelTolerance: 14 });
    modify.on("modifyend", () => {
      const [x, y] = circle.getCenter();
      const [x0, y0] = this.viewer.frame.toLevel0([x, y]);
      const radius_um = circle.getRadius();
      if (this.isLarge(2 * radius_um)) {
        this.edit({ kind: "circle", glomerulus: one.key, circle: { x0, y0, radius_um } });
      }
    });
    return [modify];
  }

  redrawing() {
    return [this.pen((polygon0) => {
      const key = this.chosen().key;
      this.put();
      this.edit({ kind: "outline", glomerulus: key, polygon0 });
    })];
  }

  missing() {
    return [this.pen((polygon0, geometry) => {
      const [left, bottom, right, top] = geometry.getExtent();
      const middle = [(left + right) / 2, (bottom + top) / 2];
      const radius_um = Math.max(...geometry.getCoordinates()[0].map(([x, y]) => Math.hypot(x - middle[0], y - middle[1])));
      this.addMissed(middle, radius_um, polygon0);
    })];
  }

  encircling() {
    const draw = new ol.interaction.Draw({ type: "Circle", freehand: true });
    draw.on("drawend", ({ feature }) => {
      const circle = feature.getGeometry();
      if (this.isLarge(2 * circle.getRadius())) this.addMissed(circle.getCenter(), circle.getRadius(), null);
    });
    return [draw];
  }

  addMissed(middle, radius_um, polygon0) {
    const [x0, y0] = this.viewer.frame.toLevel0(middle);
    const glomerulus = `drawn-${newId().slice(0, 8)}`;
    this.put();
    this.edit({ kind: "drawn", glomerulus, circle: { x0, y0, radius_um }, polygon0 });
  }

  boxing() {
    const draw = new ol.interaction.Draw({
      type: "Circle", freehand: true, geometryFunction: ol.interaction.Draw.createBox(),
    });
    draw.on("drawend", ({ feature }) => {
      const extent = feature.getGeometry().getExtent();
      const [width_um, height_um] = [extent[2] - extent[0], extent[3] - extent[1]];
      if (Math.max(width_um, height_um) > WIDEST_BOX_UM) {
        this.refuse(`a box of ${Math.round(Math.max(width_um, height_um))} µm is too large to show where the spikes are: draw one of ${WIDEST_BOX_UM} µm at most`);
      } else if (Math.min(width_um, height_um) > NARROWEST_BOX_UM) {
        this.setBoxes([...this.boxes(), this.viewer.frame.boxOf(extent)]);
      }
    });
    this.clicks = this.viewer.map.on("click", (event) => this.removeBoxAt(event.coordinate));
    return [draw];
  }

  removeBoxAt([x, y]) {
    const [x0, y0] = this.viewer.frame.toLevel0([x, y]);
    const boxes0 = this.boxes();
    const left = boxes0.filter(([left0, top0, width0, height0]) =>
      x0 < left0 || y0 < top0 || x0 > left0 + width0 || y0 > top0 + height0);
    if (left.length < boxes0.length) this.setBoxes(left);
  }

  setBoxes(boxes0) {
    this.edit({ kind: "boxes", glomerulus: this.chosen().key, boxes0 });
  }

  pen(drawn) {
    const draw = new ol.interaction.Draw({ type: "Polygon", freehand: true });
    draw.on("drawend", ({ feature }) => {
      const geometry = feature.getGeometry();
      const [left, bottom, right, top] = geometry.getExtent();
      if (!this.isLarge(Math.max(right - left, top - bottom))) return;
      const smooth = geometry.simplify(SMOOTH_PX * this.viewer.map.getView().getResolution());
      const ring = smooth.getCoordinates()[0].slice(0, -1);
      if (ring.length >= 3) drawn(ring.map((point) => this.viewer.frame.toLevel0(point)), smooth);
    });
    return draw;
  }

  isLarge(across_um) {
    if (across_um >= LEAST_UM) return true;
    this.refuse("that is too small for a glomerulus");
    return false;
  }
}
