// The frame that the viewer draws in: micrometres from the bounds' corner, y upwards, whatever the slide's
// µm/px along either axis. All conversions between it and level-0 pixels are here.

export class Frame {
  constructor({ mpp, bounds, size_um }) {
    [this.mppX, this.mppY] = mpp;
    [this.x0, this.y0] = bounds;
    [this.width, this.height] = size_um;
  }

  get extent() {
    return [0, -this.height, this.width, 0];
  }

  fromLevel0([x0, y0]) {
    return [(x0 - this.x0) * this.mppX, -(y0 - this.y0) * this.mppY];
  }

  toLevel0([x, y]) {
    return [x / this.mppX + this.x0, -y / this.mppY + this.y0];
  }

  // The extent of a region given by its corners in level-0 pixels.
  extentOf([left0, top0, right0, bottom0]) {
    const [left, top] = this.fromLevel0([left0, top0]);
    const [right, bottom] = this.fromLevel0([right0, bottom0]);
    return [left, bottom, right, top];
  }

  // A region as x, y, width and height in level-0 pixels.
  boxOf([left, bottom, right, top]) {
    const [left0, top0] = this.toLevel0([left, top]);
    const [right0, bottom0] = this.toLevel0([right, bottom]);
    return [left0, top0, right0 - left0, bottom0 - top0];
  }
}
