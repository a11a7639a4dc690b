/* The recipe of benchmark-augment on OpenCV's functions, as someone who knows them would write it: 8 bits
 * throughout, look-up tables where an operation is one, no allocation per view, one thread.
 * SPDX-License-Identifier: LGPL-2.1-or-later */
#include <opencv2/imgproc.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>
#include <vector>

struct Case
{
  const char *name;
  int width, height, size;
  double strength, blur_probability;
};

static const Case cases[] = {
    {"augment-640x480-224", 640, 480, 224, 1.0, 0.5},
    {"augment-1920x1080-224", 1920, 1080, 224, 1.0, 0.5},
    {"augment-32x32-32", 32, 32, 32, 0.5, 0.0},
};

class Recipe
{
public:
  explicit Recipe (const Case &recipe) : recipe (recipe) {}

  /* The view lies in the result until the next call. */
  const cv::Mat &
  apply (const cv::Mat &frame)
  {
    crop (frame);
    if (event (0.5)) {
      cv::flip (view, other, 1);
      std::swap (view, other);
    }
    if (event (0.8))
      jitter ();
    if (event (0.2))
      to_gray ();
    if (event (recipe.blur_probability))
      blur ();
    return view;
  }

private:
  const Case recipe;
  std::mt19937 generator{1};
  cv::Mat view, other, gray;
  cv::Mat table = cv::Mat (1, 256, CV_8U), hue_table = cv::Mat (1, 256, CV_8UC3);

  double
  between (double low, double high)
  {
    return std::uniform_real_distribution<> (low, high) (generator);
  }

  bool
  event (double probability)
  {
    return between (0, 1) < probability;
  }

  cv::Rect
  draw_box (const cv::Size &frame)
  {
    for (int attempt = 0; attempt < 100; attempt++) {
      double area = between (0.08, 1) * frame.area ();
      double aspect = std::exp (between (std::log (3.0 / 4), std::log (4.0 / 3)));
      int width = cvRound (std::sqrt (area * aspect)), height = cvRound (std::sqrt (area / aspect));

      if (width > 0 && height > 0 && width <= frame.width && height <= frame.height) {
        int x = (int) between (0, frame.width - width + 1);
        int y = (int) between (0, frame.height - height + 1);

        return cv::Rect (x, y, width, height);
      }
    }
    return cv::Rect (0, 0, frame.width, frame.height);
  }

  /* INTER_AREA is OpenCV's antialiased filter, and good for shrinking only. */
  void
  crop (const cv::Mat &frame)
  {
    cv::Rect box = draw_box (frame.size ());
    bool shrinks = box.width >= recipe.size && box.height >= recipe.size;

    cv::resize (frame (box), view, cv::Size (recipe.size, recipe.size), 0, 0,
        shrinks ? cv::INTER_AREA : cv::INTER_CUBIC);
  }

  /* Every channel times the factor plus an offset. */
  void
  scale (double factor, double offset)
  {
    for (int i = 0; i < 256; i++)
      table.at<uchar> (i) = cv::saturate_cast<uchar> (factor * i + offset);
    cv::LUT (view, table, view);
  }

  void
  contrast (double factor)
  {
    cv::cvtColor (view, gray, cv::COLOR_RGB2GRAY);
    scale (factor, (1 - factor) * cv::mean (gray)[0]);
  }

  void
  saturate (double factor)
  {
    cv::cvtColor (view, gray, cv::COLOR_RGB2GRAY);
    cv::cvtColor (gray, other, cv::COLOR_GRAY2RGB);
    cv::addWeighted (view, factor, other, 1 - factor, 0, view);
  }

  void
  shift_hue (double turns)
  {
    int shift = cvRound (turns * 256);

    for (int i = 0; i < 256; i++)
      hue_table.at<cv::Vec3b> (i) = cv::Vec3b ((uchar) (i + shift), (uchar) i, (uchar) i);
    cv::cvtColor (view, other, cv::COLOR_RGB2HSV_FULL);
    cv::LUT (other, hue_table, other);
    cv::cvtColor (other, view, cv::COLOR_HSV2RGB_FULL);
  }

  void
  jitter ()
  {
    const double change = 0.8 * recipe.strength, hue = 0.2 * recipe.strength;
    int order[] = {0, 1, 2, 3};

    std::shuffle (order, order + 4, generator);
    for (int operation : order)
      switch (operation) {
      case 0:
        scale (between (1 - change, 1 + change), 0);
        break;
      case 1:
        contrast (between (1 - change, 1 + change));
        break;
      case 2:
        saturate (between (1 - change, 1 + change));
        break;
      default:
        shift_hue (between (-hue, hue));
      }
  }

  void
  to_gray ()
  {
    cv::cvtColor (view, gray, cv::COLOR_RGB2GRAY);
    cv::cvtColor (gray, view, cv::COLOR_GRAY2RGB);
  }

  /* A tenth of the view, or less where the Gaussian has fallen to nothing before. */
  void
  blur ()
  {
    double sigma = between (0.1, 2);
    int kernel = std::min (recipe.size / 10 / 2 * 2 + 1, 2 * (int) std::ceil (3 * sigma) + 1);

    cv::GaussianBlur (view, other, cv::Size (kernel, kernel), sigma);
    std::swap (view, other);
  }
};

static cv::Mat
make_frame (int width, int height)
{
  cv::Mat frame (height, width, CV_8UC3);
  std::mt19937 noise{1};

  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int c = 0; c < 3; c++)
        frame.at<cv::Vec3b> (y, x)[c] = (uchar) (x * 200 / width + noise () % 56);
  return frame;
}

static void
run_case (const Case &c, double seconds)
{
  using clock = std::chrono::steady_clock;
  const int rounds = 5;
  cv::Mat frame = make_frame (c.width, c.height);
  Recipe recipe (c);
  std::vector<double> rates;
  std::clock_t processor = std::clock ();
  long all = 0;

  for (int round = 0; round < rounds; round++) {
    clock::time_point start = clock::now ();
    double elapsed = 0;
    long views = 0;

    while (elapsed < seconds / rounds) {
      for (int i = 0; i < 64; i++, views++)
        recipe.apply (frame);
      elapsed = std::chrono::duration<double> (clock::now () - start).count ();
    }
    rates.push_back (views / elapsed);
    all += views;
  }
  std::sort (rates.begin (), rates.end ());
  std::printf ("{\"name\": \"%s\", \"value\": %.1f, \"unit\": \"views/s\", \"threads\": 1, \"lowest\": %.1f, "
               "\"highest\": %.1f, \"provider\": \"OpenCV %s\", \"processor_seconds\": %.4g}\n",
      c.name, rates[rounds / 2], rates.front (), rates.back (), CV_VERSION,
      (double) (std::clock () - processor) / CLOCKS_PER_SEC / all);
}

int
main (int argc, char **argv)
{
  cv::setNumThreads (1);
  for (const Case &c : cases)
    run_case (c, argc > 1 ? std::atof (argv[1]) : 1);
  return 0;
}
